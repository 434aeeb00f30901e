"""MegaDetector as it runs, by the PyPI package `megadetector` (an extra), with weights that a person has given."""

from __future__ import annotations

import threading
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from station.bundles import BundleError
from station.detections import FAINT, Detections, of_image, said
from station.domain import Frame
from station.pictures import Picture

_SIDE_PX = 1280
"""What its networks take; a picture is decoded no smaller."""


def installed() -> str | None:
    """Which version is there; None: none is."""
    try:
        return f"megadetector {version('megadetector')}"
    except PackageNotFoundError:
        return None


class MegaDetectorRun:
    """The detector that asks MegaDetector; one picture at a time, for its detectors are not made for threads."""

    def __init__(self, network: Any, categories: dict[str, str], least: float = FAINT) -> None:
        """`network`: as `megadetector.detection.run_detector.load_detector` gives it."""
        self._network, self._categories, self._least = network, categories, least
        self._lock = threading.Lock()

    @classmethod
    def load(cls, weights: Path, device: str, least: float = FAINT) -> MegaDetectorRun:
        """Raises `BundleError` where package or weights are missing, or the weights are not MegaDetector's."""
        if installed() is None:
            raise BundleError(
                "MegaDetector's weights are given, but the package `megadetector` is not installed: "
                "pip install 'age-station[megadetector]', or run it elsewhere and take its megadetector.json"
            )
        if not weights.is_file():
            raise BundleError(
                f"{weights}: there is no such file; give the weights of MegaDetector, such as md_v5a.0.0.pt"
            )
        from megadetector.detection import run_detector  # noqa: PLC0415

        try:
            network = run_detector.load_detector(str(weights), force_cpu=device == "cpu")
        except Exception as error:  # whatever the unpickling of foreign weights raises
            raise BundleError(f"{weights} cannot be loaded as MegaDetector: {type(error).__name__}: {error}") from error
        return cls(network, dict(run_detector.DEFAULT_DETECTOR_LABEL_MAP), least)

    def detect(self, frame: Frame, picture: Picture) -> Detections:
        """As `Detector` says."""
        image = picture.pixels(min(1.0, _SIDE_PX / max(picture.width, picture.height)))
        with self._lock:
            found = self._network.generate_detections_one_image(image, frame.path, detection_threshold=self._least)
        return said(of_image(found, self._categories, self._least))
