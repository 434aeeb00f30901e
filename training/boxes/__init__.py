"""Boxes that other tools marked, as a manifest of frames: COCO, YOLO and Camtrap DP."""
