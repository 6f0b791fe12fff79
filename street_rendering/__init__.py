"""Synthetic street scenes with CamVid's eleven classes, drawn with NumPy and OpenCV."""

from street_rendering.scene import render_street

__all__ = ["render_street"]
