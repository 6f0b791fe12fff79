"""Label maps as polygons of annotation tools: labelme, COCO and GeoJSON.

The polygons are exact: drawn by the tools' own rules, they give the label map again.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from keras_fcn.classes import ClassMap
from keras_fcn.images.encoding import marked, write_content

VOID_LABEL = "__ignore__"  # labelme's name of pixels without a class
_LABELME_VERSION = "5.5.0"


class Region(NamedTuple):
    """A connected region of one class; pixels are connected by their four sides.

    Attributes:
        class_id: the class, or the id of void.
        top: first row.
        left: first column.
        mask: boolean `(height, width)`, the region in its bounding box.
    """

    class_id: int
    top: int
    left: int
    mask: np.ndarray

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int(np.count_nonzero(self.mask))

    def rings(self) -> list[np.ndarray]:
        """Return the outline along the edges of the pixels.

        Returns:
            Integer `(num_points, 2)` each, x and y of the corners, where the pixel in
            row and column 0 extends from 0 to 1: the outer ring first, then a ring for
            each hole.
        """
        # A contour of OpenCV joins the centers of pixels. Twice as large, the centers
        # left and right of an edge are 2x - 1 and 2x: both give the edge x.
        doubled = self.mask.repeat(2, axis=0).repeat(2, axis=1)
        rings = [(points + 1) // 2 for points in _contours(doubled)]
        return [_without_straight(ring) + (self.left, self.top) for ring in rings]

    def centers(self) -> np.ndarray:
        """Return the outer outline through the centers of the pixels on it.

        Returns:
            Integer `(num_points, 2)`, column and row; at least three points.
        """
        points = _contours(self.mask)[0]
        missing = max(0, 3 - len(points))  # of a region of one or two pixels
        points = np.concatenate([points, points[:1].repeat(missing, axis=0)])
        return points + (self.left, self.top)


def find_regions(label_map: np.ndarray) -> list[Region]:
    """Divide a label map into connected regions.

    Args:
        label_map: integer `(height, width)`, ids up to 255.

    Returns:
        The regions in an order in which they can be painted with their holes filled,
        later ones over earlier ones.
    """
    regions = []
    for class_id in np.unique(label_map):
        mask = (label_map == class_id).astype("uint8")
        count, components, stats, _ = cv2.connectedComponentsWithStats(
            mask, connectivity=4
        )
        for index in range(1, count):  # 0 is the rest
            left, top, width, height, _ = map(int, stats[index])
            box = components[top : top + height, left : left + width]
            regions.append(Region(int(class_id), top, left, box == index))
    # A region in a hole of another covers less than that one with its holes.
    return sorted(regions, key=lambda one: np.count_nonzero(_filled(one.mask)))[::-1]


def to_labelme(
    label_map: np.ndarray, class_map: ClassMap, image_path: str
) -> dict[str, Any]:
    """Return the content of a labelme file: a polygon for each region.

    Labelme's polygons have no holes: shapes that lie in others come after them, and
    cover them. Void is the label `__ignore__`.

    Args:
        label_map: integer `(height, width)`, class ids and the id of void.
        class_map: the classes.
        image_path: path of the image, relative to the folder of the file.

    Returns:
        An object for `json.dump`.
    """
    shapes = [
        {
            "label": _name(region.class_id, class_map, VOID_LABEL),
            "points": region.centers().astype(float).tolist(),
            "group_id": None,
            "description": "",
            "shape_type": "polygon",
            "flags": {},
            "mask": None,
        }
        for region in find_regions(label_map)
    ]
    height, width = label_map.shape
    return {
        "version": _LABELME_VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": image_path,
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }


def write_labelme_names(path: Path, class_map: ClassMap) -> None:
    """Write the list of labels that labelme takes, in the order of the classes.

    Args:
        path: the file; its folder is created.
        class_map: the classes.

    Raises:
        ValueError: if it exists with other names, or a name has a line break.
    """
    if broken := [name for name in class_map.names if set(name) & {"\n", "\r"}]:
        raise ValueError(
            f"{path} can't contain the class {broken[0]!r}: it has a line for each "
            "class"
        )
    content = "".join(f"{name}\n" for name in (VOID_LABEL, *class_map.names)).encode()
    if path.exists() and path.read_bytes() != content:
        raise ValueError(f"{path} has other classes: choose another `output_dir`")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_content(path, content)


def to_coco(
    label_maps: Mapping[str, np.ndarray], class_map: ClassMap
) -> dict[str, Any]:
    """Return the content of a COCO file of instances: an annotation for each region.

    COCO's polygons have no holes: a hole is joined to the outer ring by a line that is
    passed in both directions. The id of a category is that of its class plus 1.

    Args:
        label_maps: integer `(height, width)` by file name of the image, class ids and
            the id of void.
        class_map: the classes.

    Returns:
        An object for `json.dump`.
    """
    coco = CocoFile(class_map)
    for file_name, label_map in label_maps.items():
        coco.add(file_name, label_map)
    return coco.content()


class CocoFile:
    """The content of a COCO file, to which images are added.

    Args:
        class_map: the classes.
    """

    def __init__(self, class_map: ClassMap):
        names = [*class_map.names, "void"]
        ids = [*range(class_map.num_classes), class_map.void_id]
        self._categories = [
            {"id": class_id + 1, "name": name, "supercategory": ""}
            for class_id, name in zip(ids, names, strict=True)
        ]
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add(self, file_name: str, label_map: np.ndarray) -> None:
        """Add an image.

        Args:
            file_name: path of the image, relative to the folder of the images.
            label_map: integer `(height, width)`, class ids and the id of void.
        """
        height, width = label_map.shape
        image_id = len(self._images) + 1
        self._images.append(
            {"id": image_id, "file_name": file_name, "width": width, "height": height}
        )
        for region in find_regions(label_map):
            rows, columns = region.mask.shape
            self._annotations.append(
                {
                    "id": len(self._annotations) + 1,
                    "image_id": image_id,
                    "category_id": region.class_id + 1,
                    "segmentation": [_joined(region.rings()).ravel().tolist()],
                    "area": region.area,
                    "bbox": [region.left, region.top, columns, rows],
                    "iscrowd": 0,
                }
            )

    def content(self) -> dict[str, Any]:
        """Return the content as an object for `json.dump`."""
        return {
            "info": {},
            "licenses": [],
            "images": self._images,
            "annotations": self._annotations,
            "categories": self._categories,
        }

    def save(self, path: Path) -> None:
        """Write the file, and create its folder.

        Args:
            path: the file; replaced atomically.

        Raises:
            OSError: if it can't be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.content(), ensure_ascii=False)
        write_content(path, marked(text.encode("utf-8", "surrogateescape")))


def to_geojson(label_map: np.ndarray, class_map: ClassMap) -> dict[str, Any]:
    """Return a GeoJSON FeatureCollection: a polygon, with its holes, for each region.

    Coordinates are pixels, x to the right and y downwards from the upper left corner of
    the image, as in QuPath, whose `classification` each feature has.

    Args:
        label_map: integer `(height, width)`, class ids and the id of void.
        class_map: the classes.

    Returns:
        An object for `json.dump`.
    """
    palette = class_map.palette()
    features = []
    for region in find_regions(label_map):
        rings = [np.concatenate([ring, ring[:1]]) for ring in region.rings()]
        name = _name(region.class_id, class_map, "void")
        color = palette[region.class_id].tolist()
        features.append(
            {
                "type": "Feature",
                "geometry": {
                    "type": "Polygon",
                    "coordinates": [ring.tolist() for ring in rings],
                },
                "properties": {
                    "objectType": "annotation",
                    "classification": {"name": name, "color": color},
                    "class_id": region.class_id,
                    "area": region.area,
                },
            }
        )
    return {"type": "FeatureCollection", "features": features}


def class_masks(
    label_map: np.ndarray, class_map: ClassMap
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield name and boolean mask `(height, width)` of each class, also of absent ones.

    Args:
        label_map: integer `(height, width)`, class ids and the id of void.
        class_map: the classes.
    """
    for class_id, name in enumerate(class_map.names):
        yield name, label_map == class_id


def _name(class_id: int, class_map: ClassMap, void: str) -> str:
    return void if class_id == class_map.void_id else class_map.names[class_id]


def _contours(mask: np.ndarray) -> list[np.ndarray]:
    """Outline of a connected region and of its holes, int32 `(num_points, 2)` each."""
    contours, hierarchy = cv2.findContours(
        mask.astype("uint8"), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE
    )
    # The last number is the contour that one lies in: -1 for the outer one.
    order = np.argsort(hierarchy[0, :, 3], kind="stable")
    return [contours[index][:, 0] for index in order]


def _filled(mask: np.ndarray) -> np.ndarray:
    """The mask with its holes filled, uint8."""
    filled = np.zeros(mask.shape, dtype="uint8")
    return cv2.drawContours(filled, _contours(mask)[:1], -1, 1, cv2.FILLED)


def _without_straight(ring: np.ndarray) -> np.ndarray:
    """A closed ring without equal neighbors and without points on straight lines."""
    ring = ring[(ring != np.roll(ring, 1, axis=0)).any(axis=1)]
    before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    is_corner = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    return ring[is_corner]


def _joined(rings: list[np.ndarray]) -> np.ndarray:
    """One ring of an outer ring and holes, by lines that are passed twice."""
    joined, *holes = rings
    for hole in holes:
        distances = np.abs(joined - hole[0]).sum(axis=1)
        at = int(distances.argmin())
        there_and_back = [joined[: at + 1], hole, hole[:1], joined[at:]]
        joined = np.concatenate(there_and_back)
    return joined
