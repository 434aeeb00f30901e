"""The camera-trap monitoring station: pictures in, timestamped age estimates per individual out."""
