"""The result of an image from Python: label map, confidence, polygons, files."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from keras_fcn.classes import ClassMap
from keras_fcn.drawing.html import html_with_images
from keras_fcn.drawing.overlays import overlay_with_legend
from keras_fcn.errors import check_choice
from keras_fcn.images.encoding import (
    encode_label_map,
    encode_photograph,
    marked,
    write_content,
)
from keras_fcn.prediction.annotations import find_regions, to_coco, to_geojson
from keras_fcn.prediction.confidence import encode_confidence


@dataclass(frozen=True, repr=False, eq=False)
class SegmentationResult:
    """The result of `Segmenter.predict`.

    Attributes:
        name: file name of the image, or "image".
        image: uint8 RGB `(height, width, 3)`.
        label_map: uint8 `(height, width)`, class ids, and the id of void for pixels
            whose confidence is below the segmenter's `unknown_below`.
        confidence: float32 `(height, width)` in [0, 1], the probability of each pixel's
            class.
        class_map: names and colors of the classes.
    """

    name: str
    image: np.ndarray
    label_map: np.ndarray
    confidence: np.ndarray
    class_map: ClassMap

    @cached_property
    def shares(self) -> dict[str, float]:
        """Share of the image's pixels by class name, the largest first.

        Only classes that occur are listed.
        """
        counts = np.bincount(self.label_map.ravel(), minlength=256)
        names = [*self.class_map.names, *[""] * 256][:256]
        names[self.class_map.void_id] = "void"
        order = np.argsort(-counts, kind="stable")
        return {names[i]: counts[i] / counts.sum() for i in order if counts[i]}

    def overlay(self) -> np.ndarray:
        """Blend the image with the classes' colors, with a legend below it.

        Returns:
            uint8 RGB `(height, width, 3)`, higher than the image.
        """
        return overlay_with_legend(self.image, self.label_map, self.class_map)

    def polygons(self, class_name: str) -> list[list[np.ndarray]]:
        """Return the outlines of the connected regions of a class.

        Args:
            class_name: name of the class, or "void".

        Returns:
            For each region its rings, the outer one first and then one for each hole:
            integer `(num_points, 2)`, x and y of corners of pixels, from the upper left
            corner of the image. Empty if the class does not occur.

        Raises:
            ValueError: if there is no such class.
        """
        names = (*self.class_map.names, "void")
        check_choice("class_name", class_name, names)
        class_id = names.index(class_name)
        if class_name == "void" and class_name not in self.class_map.names:
            class_id = self.class_map.void_id
        regions = find_regions(self.label_map)
        return [one.rings() for one in regions if one.class_id == class_id]

    def to_coco(self) -> dict[str, Any]:
        """Return a COCO file of instances, an annotation for each region, as a dict."""
        return to_coco({self.name: self.label_map}, self.class_map)

    def to_geojson(self) -> dict[str, Any]:
        """Return a GeoJSON FeatureCollection, a polygon for each region, as a dict.

        Coordinates are pixels, y downwards, as in QuPath.
        """
        return to_geojson(self.label_map, self.class_map)

    def save(self, output_dir: str | Path) -> list[Path]:
        """Write the files of `keras-fcn predict`, and polygons.

        Args:
            output_dir: folder; created if missing. Files of the same names are
                replaced.

        Returns:
            `STEM_labels.png`, a palette PNG of class ids; `STEM_confidence.png`;
            `STEM_overlay.png`; and `STEM.geojson`.

        Raises:
            OSError: if a file can't be written.
        """
        folder, stem = Path(output_dir), Path(self.name).stem
        folder.mkdir(parents=True, exist_ok=True)
        contents = {
            "_labels.png": encode_label_map(self.label_map, self.class_map),
            "_confidence.png": encode_confidence(self.confidence),
            "_overlay.png": encode_photograph(self.overlay()),
            ".geojson": json.dumps(self.to_geojson()).encode(),
        }
        for suffix, content in contents.items():
            write_content(folder / f"{stem}{suffix}", marked(content))
        return [folder / f"{stem}{suffix}" for suffix in contents]

    def __repr__(self) -> str:
        height, width = self.label_map.shape
        shares = [f"{name} {share:.0%}" for name, share in self.shares.items()]
        return (
            f"<result of {self.name}: {width}x{height} pixels, mean confidence "
            f"{self.confidence.mean():.0%}; {', '.join(shares[:5])}"
            f"{' ...' if len(shares) > 5 else ''}>"
        )

    def _repr_html_(self) -> str:
        """Return the overlay as an image, for notebooks."""
        return html_with_images(repr(self)[1:-1], [self.overlay()])
