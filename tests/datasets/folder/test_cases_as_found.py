"""Folders as annotation tools, cameras and public data sets produce them.

Each is read as described, or refused with a line; `inspect` and `train` agree.
"""

import json
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_masks

from keras_fcn.commands import inspect
from keras_fcn.config import TrainingConfig
from keras_fcn.datasets.folder.dataset import load_folder
from tests.support import tool_folders as tools
from tests.support.commands import outcome
from tests.support.folders import write_image, write_labels, write_pairs


class Case(NamedTuple):
    """A folder and how it is read.

    `images` are the numbers of images by split, or in all splits where they are chosen
    by the names; None if the folder is refused. `says`
    is a regular expression for the report or for the line of the refusal, `classes` the
    names of the classes, and `options` are those of `TrainingConfig`.
    """

    build: Callable[[Path], object]
    images: dict[str, int] | int | None = None
    says: str = ""
    classes: tuple[str, ...] | None = None
    options: dict = {}


def pairs(images="images", labels="labels", names="abcdef", **options):
    """Build images and label maps in two folders."""
    return lambda folder: write_pairs(
        folder / images, folder / labels, names, **options
    )


def together(*builds):
    """Build the content of several cases in one folder."""
    return lambda folder: [build(folder) for build in builds]


def text(name, content):
    """Build a text file."""

    def build(folder):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)

    return build


def _packed(counts):
    """COCO's packed run lengths."""
    return {
        "size": [32, 40],
        "counts": coco_masks.frPyObjects({"size": [32, 40], "counts": counts}, 32, 40)[
            "counts"
        ].decode(),
    }


def write_nan(path):
    Image.fromarray(np.full((32, 40), np.nan, "float32")).save(path)


def unlabelled(folder):
    for name in "abcdef":
        write_image(folder / f"images/{name}.png")
    write_labels(folder / "labels/z.png")


def coco(name, images):
    """Build a COCO file with a square in each image, and the images."""

    def build(folder):
        names = [f"{image}.jpg" for image in images]
        for image in names:
            write_image(folder / image)
        square = [[4, 4, 20, 4, 20, 20, 4, 20]]
        content = {
            "images": [
                {"id": n, "file_name": image, "height": 32, "width": 40}
                for n, image in enumerate(names)
            ],
            "categories": [{"id": 1, "name": "thing"}],
            "annotations": [
                {"id": n, "image_id": n, "category_id": 1, "segmentation": square}
                for n in range(len(names))
            ],
        }
        (folder / name).write_text(json.dumps(content))

    return build


def named_splits(*words, names="abc"):
    """Build folders of splits in images/ and labels/."""
    return together(
        *(
            pairs(f"images/{word}", f"labels/{word}", [f"{word}_{n}" for n in names])
            for word in words
        )
    )


def own_folders(*words):
    """Build folders of splits with images/ and masks/ in each."""
    return together(
        *(
            pairs(f"{word}/images", f"{word}/masks", [f"{word}_{n}" for n in "abc"])
            for word in words
        )
    )


def drive(folder):
    """Build DRIVE: vessels in 1st_manual/, the field of view in mask/."""
    for split, numbers in (("training", range(21, 26)), ("test", range(1, 4))):
        for number in numbers:
            name = f"{number:02}"
            place = folder / split
            write_image(place / f"images/{name}_{split}.tif")
            write_labels(place / f"mask/{name}_{split}_mask.gif", (0, 255))
            write_labels(place / f"1st_manual/{name}_manual1.gif", (0, 255, 0))


def wide(factor, dtype="uint16", offset=0, suffix="tif"):
    """Build gray images of another type than uint8."""

    def build(folder):
        for number in range(6):
            write_labels(folder / f"labels/{number}.png", (0, 1))
            grey = np.random.default_rng(number).integers(0, 256, (32, 40))
            grey[0, :2] = (0, 255)
            path = folder / f"images/{number}.{suffix}"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray((grey * factor + offset).astype(dtype)).save(path)

    return build


def dark(folder):
    wide(16)(folder)
    Image.new("I;16", (40, 32), 3).save(folder / "images/2.tif")


def satellite(folder):
    pairs()(folder)
    (folder / "images/a.png").unlink()
    bands = np.zeros((32, 40, 4), "float32")
    cv2.imwrite(str(folder / "images/a.tif"), bands)


def kvasir(folder):
    for name in tools.NAMES:
        write_image(folder / f"images/{name}.jpg")
        mask = np.zeros((32, 40), "uint8")
        mask[8:24, 10:30] = 255
        (folder / "masks").mkdir(exist_ok=True)
        Image.fromarray(mask).save(folder / f"masks/{name}.jpg", quality=60)


def instances(folder):
    """Build label maps that number the cells of each image."""
    for number in range(6):
        write_image(folder / f"images/{number}.png")
        write_labels(folder / f"labels/{number}.png", range(6 + number))


def pages(kind, suffix="tif"):
    """Build images and label maps, one of which has two pages or frames."""

    def build(folder):
        pairs()(folder)
        with Image.open(folder / kind / "a.png") as image:
            more = [image.transpose(Image.Transpose.ROTATE_180)]
            path = folder / kind / f"a.{suffix}"
            image.save(path, save_all=True, append_images=more)
        (folder / kind / "a.png").unlink()

    return build


def mapillary(folder):
    for version in ("v1.2", "v2.0"):
        pairs("training/images", f"training/{version}/labels")(folder)
        labels = [{"name": f"{n} of {version}", "color": [n] * 3} for n in range(3)]
        text(f"config_{version}.json", json.dumps({"labels": labels}))(folder)


def scenes(folder):
    for scene, names in (("one", "abc"), ("two", "def")):
        pairs(f"{scene}/img", f"{scene}/ann", names)(folder)
        pairs(f"{scene}/img", f"{scene}/masks_human", names)(folder)


def wide_masks(folder):
    for name in tools.NAMES:
        write_image(folder / f"images/{name}.png")
        mask = np.zeros((32, 40), "uint16")
        mask[8:24] = 65535
        (folder / "masks").mkdir(exist_ok=True)
        Image.fromarray(mask).save(folder / f"masks/{name}.png")


def with_mark(name):
    """Build a text file anew, with a byte order mark."""
    return lambda folder: (folder / name).write_text(
        (folder / name).read_text(), encoding="utf-8-sig"
    )


def without_sizes(name):
    """Build a COCO file anew, without sizes of images."""

    def build(folder):
        content = json.loads((folder / name).read_text())
        for image in content["images"]:
            del image["height"], image["width"]
        (folder / name).write_text(json.dumps(content))

    return build


def cityscapes(split, names, values):
    def build(folder):
        for name in names:
            place, stem = f"{split}/ulm", f"ulm_{name}"
            write_image(folder / f"leftImg8bit/{place}/{stem}_leftImg8bit.png")
            path = folder / f"gtFine/{place}/{stem}_gtFine_labelIds.png"
            write_labels(path, values)

    return build


def webp_masks(lossless):
    def build(folder):
        pairs()(folder)
        for path in sorted((folder / "labels").glob("*.png")):
            with Image.open(path) as image:
                image.convert("RGB").save(path.with_suffix(".webp"), lossless=lossless)
            path.unlink()

    return build


IDS_TABLE = "id,name\n0,void\n7,road\n11,building\n26,car\n"
BOTH = {"train": 5, "val": 1}  # of six images
CASES = {
    "splits in folders": Case(named_splits("train", "val"), {"train": 3, "val": 3}),
    "splits with years": Case(
        named_splits("train2017", "val2017"), {"train": 3, "val": 3}
    ),
    "splits as sets": Case(
        own_folders("training_set", "validation_set", "test_set"),
        {"train": 3, "val": 3, "test": 3},
    ),
    "splits in capitals": Case(own_folders("Train", "VALID"), {"train": 3, "val": 3}),
    "dev is val": Case(own_folders("train", "dev"), {"train": 3, "val": 3}),
    "eval is no split": Case(
        named_splits("train", "eval"),
        {"train": 2, "val": 1},
        "3 files in images/eval/ are in no split and are not used",
    ),
    "eval with its own folders is no split": Case(
        own_folders("train", "val", "eval"),
        {"train": 3, "val": 3},
        "6 files in eval/ are in no split and are not used",
    ),
    "a COCO file of a valley": Case(
        together(coco("coco_forest.json", "abc"), coco("coco_valley.json", "def")), BOTH
    ),
    "the latest COCO file": Case(coco("coco_latest.json", "abcdef"), BOTH),
    "a COCO file of a festival": Case(coco("festival_coco.json", "abcdef"), BOTH),
    "COCO files with splits and years": Case(
        together(
            coco("instances_train2017.json", "abcd"),
            coco("instances_val2017.json", "ef"),
        ),
        {"train": 4, "val": 2},
        classes=("background", "thing"),
    ),
    "a COCO file of a test alone": Case(
        coco("coco_test.json", "abc"), None, "There are no train images with labels"
    ),
    "a list of validation images": Case(
        together(pairs(), text("valid.txt", "a.png\nb.png\n")),
        {"train": 4, "val": 2},
        "lists valid.txt; all other images are for training",
    ),
    "lists in capitals": Case(
        together(pairs(), text("Train.txt", "a\nb\nc\nd\n"), text("VAL.TXT", "e\nf\n")),
        {"train": 4, "val": 2},
    ),
    "lists of other names": Case(
        together(pairs(), text("train_list.txt", "a\n"), text("val.csv", "b\n")),
        BOTH,
        "2 files are named as lists .* train_list.txt; val.csv. Lists are named train",
    ),
    "test images of Cityscapes": Case(
        together(
            cityscapes("train", "abc", (7, 26, 0)),
            cityscapes("val", "de", (7, 26, 0)),
            cityscapes("test", "fg", (0, 3)),
        ),
        {"train": 3, "val": 2, "test": 2},
        "All pixels of the label maps of test are void",
    ),
    "a list of training images": Case(
        together(pairs(), text("train.txt", "a\nb\nc\nd\n")),
        {"train": 3, "val": 1},
        "2 images with labels are in no list and are not used: e; f",
    ),
    "lists of some images": Case(
        together(pairs(), text("train.txt", "a\nb\n"), text("val.txt", "c\n")),
        {"train": 2, "val": 1},
        "3 images with labels are in no list",
    ),
    "two folders of labels": Case(
        drive, None, "test/mask/ or with test/1st_manual/: choose one by --labels-dir"
    ),
    "two folders of labels, one chosen": Case(
        drive,
        {"train": 4, "val": 1, "test": 3},
        "training/images/ with training/1st_manual/",
        options={"labels_dir": "1st_manual"},
    ),
    "a folder of images chosen": Case(
        together(pairs("left", "classes"), pairs("right", "classes")),
        BOTH,
        "left/ with classes/",
        options={"images_dir": "left", "labels_dir": "classes"},
    ),
    "chosen folders with splits": Case(
        together(
            pairs("left/train", "classes/train", "abc"),
            pairs("left/val", "classes/val", "de"),
        ),
        {"train": 3, "val": 2},
        options={"images_dir": "left", "labels_dir": "classes"},
    ),
    "chosen folders, labels without splits": Case(
        together(
            pairs("left/train", "classes", "abc"), pairs("left/val", "classes", "de")
        ),
        {"train": 3, "val": 2},
        options={"images_dir": "left", "labels_dir": "classes"},
    ),
    "chosen folders, training images above those of val": Case(
        together(
            pairs("left", "classes", "abc"), pairs("left/val", "classes/val", "de")
        ),
        {"train": 3, "val": 2},
        options={"images_dir": "left", "labels_dir": "classes"},
    ),
    "a chosen folder that is missing": Case(
        pairs(), None, "must have the folders of", options={"labels_dir": "mask"}
    ),
    "labels without images": Case(unlabelled, None, "6 of 6 images have no label"),
    "labels without images, accepted": Case(
        unlabelled,
        None,
        "There are no train images with labels",
        options={"accept": "unlabelled"},
    ),
    "8 bits in 16": Case(wide(1), BOTH, "value range: 0 to 255 .8 bits. become"),
    "10 bits in 16": Case(wide(4), BOTH, "value range: 0 to 1023 .10 bits."),
    "12 bits in a 16-bit PNG": Case(
        wide(16, suffix="png"), BOTH, "value range: 0 to 4095 .12 bits."
    ),
    "16 bits": Case(wide(257), BOTH, "value range: 0 to 65535 .16 bits."),
    "signed integers": Case(
        wide(16, "int32", -1000), BOTH, "value range: -1000 to 3080 become"
    ),
    "floats from 0 to 1": Case(
        wide(1 / 255, "float32"), BOTH, "value range: 0 to 1 become"
    ),
    "floats from 0 to 255": Case(
        wide(1, "float32"), BOTH, "value range: 0 to 255 .8 bits. become"
    ),
    "a given value range": Case(
        wide(1),
        BOTH,
        "value range: 0 to 4095 .12 bits. .*6 images use less than a tenth",
        options={"value_range": (0.0, 4095.0)},
    ),
    "the range of the type": Case(
        wide(257),
        BOTH,
        "value range: that of the type of each image",
        options={"value_range": "dtype"},
    ),
    "one black image": Case(
        dark,
        BOTH,
        "1 images use less than a tenth .* images/2.tif .3 to 3 of 0 to 4095",
    ),
    "a float with NaN": Case(
        together(wide(1), lambda f: write_nan(f / "images/3.tif")),
        None,
        "images/3.tif must have finite values",
    ),
    "a satellite image": Case(
        satellite, None, "images/a.tif is a TIFF with 4 bands of float32: .*-b 1 -b 2"
    ),
    "ids of another data set": Case(
        together(pairs(values=(7, 11, 26, 0)), text("class_dict.csv", IDS_TABLE)),
        BOTH,
        classes=("road", "building", "car"),
    ),
}

CASES |= {
    "numbers of cells": Case(instances, None, "numbers of cells .* up to 10"),
    "numbers of cells as classes": Case(
        instances, BOTH, options={"label_values": "ids"}
    ),
    "pages of an image": Case(pages("images"), None, "images/a.tif has 2 pages"),
    "pages of a label map": Case(pages("labels"), None, "labels/a.tif has 2 pages"),
    "frames of an image": Case(
        pages("images", "webp"), None, "images/a.webp has 2 frames"
    ),
    "frames of a label map": Case(
        pages("labels", "gif"), None, "labels/a.gif has 2 frames"
    ),
    "an image without its suffix": Case(
        together(pairs(), lambda f: (f / "images/a.png").rename(f / "images/a.jpg_1")),
        {"train": 4, "val": 1},
        "1 files have no suffix of an image .* images/a.jpg_1",
    ),
    "trainval is for training": Case(
        own_folders("train_val", "TEST"), {"train": 2, "val": 1, "test": 3}
    ),
    "trainval next to train and val": Case(
        own_folders("trainval", "train", "val"),
        {"train": 3, "val": 3},
        "6 files in trainval/ are in no split",
    ),
    "two versions of Mapillary's labels": Case(
        mapillary, None, "choose one by .*labels.dir v1.2/labels or .* v2.0/labels"
    ),
    "one version of Mapillary's labels": Case(
        mapillary,
        BOTH,
        "as in config_v1.2.json",
        ("0 of v1.2", "1 of v1.2", "2 of v1.2"),
        {"labels_dir": "v1.2/labels"},
    ),
    "folders of scenes, two folders of labels": Case(
        scenes, None, "choose one by .*labels.dir ann or .*labels.dir masks_human"
    ),
    "folders of scenes, one folder of labels": Case(
        scenes, BOTH, "one/img/ with one/ann/", options={"labels_dir": "ann"}
    ),
    "folders of splits in those of scenes": Case(
        together(
            named_splits("fog/train", "rain/train", names="ab"),
            named_splits("fog/val", "rain/val", "rain/test", names="c"),
        ),
        {"train": 4, "val": 2, "test": 1},
        "with folders train, val, test",
    ),
    "images in folders of splits, labels in one folder": Case(
        together(
            tools.images("images/train", "abcd"),
            tools.images("images/val", "ef"),
            tools.labels("labels"),
        ),
        {"train": 4, "val": 2},
        "with folders train, val",
    ),
    "masks of 0 and 65535": Case(
        wide_masks,
        BOTH,
        "black and white: 0 is background, 65535 is object",
        ("background", "object"),
    ),
    "masks in lossy WebP files": Case(
        webp_masks(lossless=False), None, "JPEG files or lossy WebP files"
    ),
    "masks in lossless WebP files": Case(
        webp_masks(lossless=True), BOTH, classes=("class_0", "class_1", "class_2")
    ),
    "a list of images in labels.txt": Case(
        together(pairs(), text("labels.txt", "a.png 1\nb.png 0\nc.png 0\n")),
        BOTH,
        classes=("class_0", "class_1", "class_2"),
    ),
    "folders of other names": Case(
        pairs("top", "gts"), None, "name them by .*images.dir and .*labels.dir"
    ),
    "folders of other names, named": Case(
        pairs("top", "gts"), BOTH, options={"images_dir": "top", "labels_dir": "gts"}
    ),
    "JSON of another tool": Case(
        together(
            tools.images("images"),
            *(text(f"annotations/{n}.json", '{"version": "2.0"}') for n in tools.NAMES),
        ),
        None,
        "6 of 6 images or their labels can't be read: .* is no labelme file, and none",
    ),
}

_ROAD_CAR = ("background", "road", "car")
_FILES = [f"{name}.png" for name in tools.NAMES]
_THREE = ("class_0", "class_1", "class_2")
_NAMES_YAML = "train: images/train\nnames:\n  0: road\n  1: car\n"
_NAMES_TXT = "background\nroad\ncar\n"
_CVAT = (
    "# label:color_rgb:parts:actions\nbackground:0,0,0::\nroad:9,0,0::\ncar:0,9,0::\n"
)
_COLORS = ((0, 0, 0), (9, 0, 0), (0, 9, 0))
_DECOMPOSED = [unicodedata.normalize("NFD", name) for name in ("Größe1", "Größe2")]
_COMPOSED = [unicodedata.normalize("NFC", name) for name in _DECOMPOSED]
_PIXELS = 32 * 40

CASES |= {
    # COCO
    "CVAT's COCO: annotations/ next to images/": Case(
        together(
            tools.images("images/default"),
            tools.coco("annotations/instances_default.json", _FILES),
        ),
        6,
        classes=_ROAD_CAR,
    ),
    "COCO files next to images/ with years": Case(
        together(
            tools.images("images/train2017"),
            tools.images("images/val2017", "gh"),
            tools.coco("annotations/instances_train2017.json", _FILES),
            tools.coco("annotations/instances_val2017.json", ["g.png", "h.png"]),
        ),
        {"train": 6, "val": 2},
        classes=_ROAD_CAR,
    ),
    "COCO itself": Case(
        together(
            tools.images("train2017"),
            tools.images("val2017", "gh"),
            tools.coco("annotations/instances_train2017.json", _FILES),
            tools.coco("annotations/instances_val2017.json", ["g.png", "h.png"]),
        ),
        {"train": 6, "val": 2},
    ),
    "COCO files of splits for one folder of images": Case(
        together(
            tools.images("images", "abcdefgh"),
            tools.coco("annotations/train.json", _FILES),
            tools.coco("annotations/val.json", ["g.png", "h.png"]),
        ),
        {"train": 6, "val": 2},
    ),
    "COCO of Windows": Case(
        together(
            tools.images("images"),
            tools.coco("result.json", [f"images\\{name}" for name in _FILES]),
        ),
        6,
    ),
    "COCO with run lengths of crowds": Case(
        together(
            tools.images("images"),
            tools.coco(
                "instances.json",
                _FILES,
                {"size": [32, 40], "counts": [40, 60, _PIXELS - 100]},
                crowd=1,
            ),
        ),
        6,
        "car",
    ),
    "COCO with packed run lengths": Case(
        together(
            tools.images("images"),
            tools.coco("instances.json", _FILES, _packed([40, 60, _PIXELS - 100])),
        ),
        6,
    ),
    "COCO in composed, files in decomposed Unicode": Case(
        together(
            tools.images("images", _DECOMPOSED),
            tools.coco("result.json", [f"{name}.png" for name in _COMPOSED]),
        ),
        2,
    ),
    "Roboflow's COCO": Case(
        together(
            tools.images("train"),
            tools.images("valid", "gh"),
            tools.coco("train/_annotations.coco.json", _FILES),
            tools.coco("valid/_annotations.coco.json", ["g.png", "h.png"]),
        ),
        {"train": 6, "val": 2},
    ),
    "COCO with a byte order mark": Case(
        together(
            tools.images("images"),
            tools.coco("result.json", _FILES),
            with_mark("result.json"),
        ),
        6,
    ),
    "COCO with two categories of one name": Case(
        together(
            tools.images("images"),
            tools.coco("result.json", _FILES, categories={0: "car", 3: "car"}),
        ),
        6,
        classes=("background", "car"),
    ),
    "COCO without sizes": Case(
        together(
            tools.images("images"),
            tools.coco("result.json", _FILES),
            without_sizes("result.json"),
        ),
        None,
        "no COCO file of instances .an entry lacks height",
    ),
    "COCO that lists some of the images": Case(
        together(tools.images("images", "abcdefgh"), tools.coco("result.json", _FILES)),
        6,
        "2 images are in no COCO file and are not used: images/g.png; images/h.png",
    ),
    "COCO with absolute names": Case(
        together(
            tools.images("images"),
            tools.coco("result.json", [f"/home/me/{name}" for name in _FILES]),
        ),
        None,
        "not below the folder of images: expected names such as images/",
    ),
    "COCO with boxes": Case(
        together(tools.images("images"), tools.coco("result.json", _FILES, [])),
        None,
        "12 of 12 annotations of result.json have a box but no shape",
    ),
    "COCO of images that were resized": Case(
        together(
            tools.images("images"), tools.coco("result.json", _FILES, size=(64, 80))
        ),
        None,
        "6 of 6 label maps have another size",
    ),
    "COCO and label maps": Case(
        together(
            tools.images("images"),
            tools.labels("masks"),
            tools.coco("instances.json", _FILES),
        ),
        None,
        "can be read as COCO instances in instances.json or as images/ with masks/",
    ),
    # Other annotation tools
    "labelme of Windows, with lines and points": Case(
        together(
            tools.images("."),
            tools.labelme(
                ".",
                ("road", "polygon", tools.SQUARE),
                ("car", "linestrip", [[25, 5], [35, 25]]),
                ("pole", "point", [[30, 28]]),
            ),
        ),
        6,
        classes=("background", "car", "pole", "road"),
    ),
    "labelme with names": Case(
        together(
            tools.images("."),
            tools.labelme(".", ("car", "polygon", tools.SQUARE)),
            tools.texts(labels_dot_txt="__ignore__\n_background_\nroad\ncar\n"),
        ),
        6,
        classes=("_background_", "road", "car"),
    ),
    "labelme2voc": Case(
        together(
            tools.images("JPEGImages"),
            tools.labels("SegmentationClass"),
            tools.labels("SegmentationClassNpy", suffix=".npy"),
            tools.images("SegmentationClassVisualization"),
            tools.texts(class_names_dot_txt="_background_\nroad\ncar\n"),
        ),
        6,
        classes=("_background_", "road", "car"),
    ),
    "Supervisely": Case(
        together(
            tools.images("project/ds0/img"),
            tools.supervisely("project/ds0/ann"),
            tools.texts(
                project__meta_dot_json={
                    "classes": [
                        {"title": "road", "color": "#FF0000"},
                        {"title": "car", "color": "#00FF00"},
                    ]
                }
            ),
        ),
        6,
        classes=_ROAD_CAR,
    ),
    "polygons of Cityscapes": Case(
        together(tools.images("images"), tools.polygons("labels")),
        6,
        classes=("background", "road"),
    ),
    "polygons of Mapillary": Case(
        together(tools.images("images"), tools.polygons("labels", "height", "width")),
        6,
        classes=("background", "road"),
    ),
    "Label Studio": Case(
        together(tools.images("images"), tools.label_studio("export.json")),
        6,
        classes=("background", "road"),
    ),
    "Label Studio's rectangles": Case(
        together(
            tools.images("."), tools.label_studio("export.json", "rectanglelabels")
        ),
        6,
        classes=("background", "road"),
    ),
    "Label Studio's brush in JSON-MIN": Case(
        together(
            tools.images("images"),
            tools.label_studio("export.json", "brushlabels", is_min=True),
        ),
        6,
        "road +1 +50.000%",
        ("background", "road"),
    ),
    "Label Studio's masks without names of images": Case(
        together(
            tools.images("images"),
            tools.masks(
                "masks",
                [f"task-{n}-annotation-{n}-by-1-tag-car-0" for n in range(6)],
            ),
        ),
        None,
        "export JSON or COCO",
    ),
    "CVAT's masks": Case(
        together(
            tools.images("JPEGImages"),
            tools.labels("SegmentationClass", values=_COLORS),
            tools.labels("SegmentationObject", values=_COLORS),
            tools.texts(
                labelmap_dot_txt=_CVAT, ImageSets__Segmentation__default_dot_txt="a\n"
            ),
        ),
        6,
        classes=_ROAD_CAR,
    ),
    "YOLO": Case(
        together(
            tools.images("images/train"),
            tools.images("images/val", "gh"),
            tools.yolo("labels/train"),
            tools.yolo("labels/val", "gh", "1 0.5 0.5 0.9 0.5 0.9 0.9\n"),
            tools.texts(data_dot_yaml=_NAMES_YAML),
        ),
        {"train": 6, "val": 2},
        "classes are in no training image: car",
        _ROAD_CAR,
    ),
    "Roboflow's YOLO": Case(
        together(
            tools.images("train/images"),
            tools.images("valid/images", "gh"),
            tools.yolo("train/labels"),
            tools.yolo("valid/labels", "gh"),
            tools.texts(data_dot_yaml="nc: 2\nnames: ['road', 'car']\n"),
        ),
        {"train": 6, "val": 2},
    ),
    "YOLO in pixels": Case(
        together(
            tools.images("images"),
            tools.yolo("labels", line="0 10 10 20 10 20 20\n"),
            tools.texts(classes_dot_txt="road\n"),
        ),
        None,
        "line 1: expected x and y as shares of the image's width and height",
    ),
    "labels in composed and in decomposed Unicode": Case(
        together(
            tools.images("."),
            tools.labelme(
                ".",
                (_COMPOSED[0], "polygon", tools.SQUARE),
                (_DECOMPOSED[0], "polygon", [[22, 4], [30, 4], [30, 20]]),
            ),
            tools.texts(labels_dot_txt="\n".join(["_background_", _DECOMPOSED[0]])),
        ),
        6,
        classes=("_background_", _COMPOSED[0]),
    ),
    "YOLO without names": Case(
        together(tools.images("images"), tools.yolo("labels")), None, "add a data.yaml"
    ),
    "YOLO's boxes": Case(
        together(
            tools.images("images"),
            tools.yolo("labels", line="0 0.5 0.5 0.2 0.2\n"),
            tools.texts(classes_dot_txt="road\n"),
        ),
        None,
        "line 1: is a box: expected a polygon",
    ),
    "Roboflow's masks": Case(
        together(
            tools.images("train"),
            tools.labels("train", suffix="_mask.png"),
            tools.images("valid", "gh"),
            tools.labels("valid", "gh", suffix="_mask.png"),
            tools.texts(
                train___classes_dot_csv="Pixel Value, Class\n0, background\n"
                "1, road\n2, car\n"
            ),
        ),
        {"train": 6, "val": 2},
        classes=_ROAD_CAR,
    ),
    "names in data.yaml": Case(
        together(
            tools.images("images/train"),
            tools.labels("masks/train"),
            tools.images("images/val", "gh"),
            tools.labels("masks/val", "gh"),
            tools.texts(data_dot_yaml="names: {0: background, 1: road, 2: car}\n"),
        ),
        {"train": 6, "val": 2},
        classes=_ROAD_CAR,
    ),
    "names of Hugging Face": Case(
        together(
            tools.images("images"),
            tools.labels("labels"),
            tools.texts(id2label_dot_json={"0": "background", "1": "road", "2": "car"}),
        ),
        6,
        classes=_ROAD_CAR,
    ),
    "PaddleSeg's lists": Case(
        together(
            tools.images("images"),
            tools.labels("annotations"),
            tools.texts(
                train_dot_txt="".join(
                    f"images/{n}.png annotations/{n}.png\n" for n in "abcd"
                ),
                val_dot_txt="images/e.png annotations/e.png\nimages/f.png\n",
                labels_dot_txt=_NAMES_TXT,
            ),
        ),
        {"train": 4, "val": 2},
        classes=_ROAD_CAR,
    ),
    # Public data sets
    "fast.ai's CamVid": Case(
        together(
            tools.images("images"),
            tools.labels("labels", suffix="_P.png"),
            tools.texts(codes_dot_txt=_NAMES_TXT),
        ),
        6,
        classes=_ROAD_CAR,
    ),
    "Oxford pets": Case(
        together(
            tools.images("images"),
            tools.labels("annotations/trimaps", values=(1, 2, 3)),
            tools.texts(
                annotations__xmls__a_dot_xml="<a/>",
                annotations__trainval_dot_txt="a 1 1 1\nb 1 1 1\nc 1 1 2\nd 2 1 1\n",
                annotations__test_dot_txt="e 1 1 1\nf 2 1 1\n",
            ),
        ),
        {"train": 3, "val": 1, "test": 2},
        "lists annotations/trainval.txt, annotations/test.txt",
    ),
    "lists with trainval.txt": Case(
        together(
            pairs(),
            text("splits/trainval.txt", "a\nb\nc\nd\n"),
            text("splits/train.txt", "a\nb\nc\n"),
            text("splits/val.txt", "d\n"),
        ),
        {"train": 3, "val": 1},
        "lists splits/train.txt, splits/val.txt",
    ),
    "Kvasir's masks, which are JPEG files": Case(
        kvasir, None, "JPEG files .* --label-values to black-white"
    ),
    "Kvasir's masks as black and white": Case(
        kvasir,
        6,
        "object +1 +25.0",
        ("background", "object"),
        {"label_values": "black-white"},
    ),
    "ADE20K": Case(
        together(
            tools.images("ADE/images/training"),
            tools.labels("ADE/annotations/training"),
            tools.images("ADE/images/validation", "gh"),
            tools.labels("ADE/annotations/validation", "gh"),
            tools.texts(
                ADE__objectInfo150_dot_txt="Idx\tRatio\tTrain\tVal\tStuff\tName\n"
                "1\t0.1\t1\t1\t1\twall\n2\t0.1\t1\t1\t1\tbuilding, edifice\n"
            ),
        ),
        {"train": 6, "val": 2},
        classes=("wall", "building, edifice"),
    ),
    "LoveDA": Case(
        together(
            *(
                build(f"{split}/{region}/{kind}_png", names)
                for split, names in (("Train", "abc"), ("Val", "gh"))
                for region in ("Rural", "Urban")
                for build, kind in ((tools.images, "images"), (tools.labels, "masks"))
            )
        ),
        {"train": 6, "val": 4},
        classes=_THREE,
    ),
    "BDD100K": Case(
        together(
            *(
                build
                for split, names in (("train", "abcdef"), ("val", "gh"))
                for build in (
                    tools.images(f"bdd100k/images/10k/{split}", names),
                    tools.labels(f"bdd100k/labels/sem_seg/masks/{split}", names),
                    tools.images(f"bdd100k/labels/sem_seg/colormaps/{split}", names),
                )
            )
        ),
        {"train": 6, "val": 2},
        classes=_THREE,
    ),
    "KITTI": Case(
        together(
            tools.images("training/image_2"),
            tools.labels("training/semantic"),
            tools.images("training/semantic_rgb"),
        ),
        6,
        classes=_THREE,
    ),
    "Mapillary Vistas": Case(
        together(
            *(
                build
                for split, names in (("training", "abcdef"), ("validation", "gh"))
                for build in (
                    tools.images(f"{split}/images", names),
                    tools.labels(f"{split}/v2.0/labels", names),
                    tools.images(f"{split}/v2.0/instances", names),
                )
            ),
            tools.texts(
                config_v2_dot_0_dot_json={
                    "labels": [
                        {"name": "road", "color": [9, 9, 9], "evaluate": True},
                        {"name": "car", "color": [8, 8, 8], "evaluate": True},
                        {"name": "void--x", "color": [7, 7, 7], "evaluate": False},
                    ]
                }
            ),
        ),
        {"train": 6, "val": 2},
        classes=("road", "car"),
    ),
    "DeepGlobe": Case(
        together(
            tools.images("train", suffix="_sat.jpg"),
            tools.labels("train", values=_COLORS, suffix="_mask.png"),
            tools.texts(
                class_dict_dot_csv="name,r,g,b\nurban,0,0,0\nfield,9,0,0\nwater,0,9,0\n"
            ),
        ),
        6,
        classes=("urban", "field", "water"),
    ),
    "Carvana": Case(
        together(
            tools.images("train", suffix=".jpg"),
            tools.labels("train_masks", values=(0, 1), suffix="_mask.gif"),
        ),
        6,
    ),
    "images and masks with their words first": Case(
        together(
            tools.images("data", [f"image_{n}" for n in range(6)]),
            tools.labels("data", [f"mask_{n}" for n in range(6)]),
        ),
        6,
        classes=_THREE,
    ),
    "an image without the word of the others": Case(
        together(
            tools.images("data", [f"image_{n}" for n in range(6)]),
            tools.labels("data", [f"mask_{n}" for n in range(6)]),
            tools.images("data", ["extra"]),
        ),
        None,
        "1 of 7 images have no label .*extra.png",
    ),
    # Several masks of an image
    "BUSI": Case(
        together(
            tools.images("benign", [f"benign ({n})" for n in range(6)]),
            tools.masks("benign", [f"benign ({n})_mask" for n in range(6)]),
            tools.masks("benign", ["benign (1)_mask_1", "benign (1)_mask_2"]),
        ),
        6,
        classes=("background", "object"),
    ),
    "a folder of masks for each class": Case(
        together(
            tools.images("images"), tools.masks("masks/road"), tools.masks("masks/car")
        ),
        6,
        "a mask for each class",
        ("background", "car", "road"),
    ),
    "a mask for each class, by ending": Case(
        together(
            tools.images("images"),
            tools.masks("masks", suffix="_road.png"),
            tools.masks("masks", suffix="_car.png"),
        ),
        6,
        "a mask for each class",
        ("background", "car", "road"),
    ),
    "masks of classes that only some images have": Case(
        together(
            tools.images("train/images"),
            tools.masks("train/masks", suffix="_road.png"),
            tools.masks("train/masks", "ab", suffix="_tree.png"),
            tools.images("val/images", "gh"),
            tools.masks("val/masks", "gh", suffix="_tree.png"),
            tools.masks("val/masks", "gh", suffix="_road.png"),
        ),
        {"train": 6, "val": 2},
        classes=("background", "road", "tree"),
    ),
    "a folder of instances for each image": Case(
        together(
            tools.images("images"),
            *(tools.masks(f"masks/{name}", "0123") for name in tools.NAMES),
        ),
        6,
        classes=("background", "object"),
    ),
    "Data Science Bowl": Case(
        together(
            *(tools.images(f"{name}/images", [name]) for name in tools.NAMES),
            *(
                tools.masks(f"{name}/masks", [f"{name}1", f"{name}2"])
                for name in "abcdef"
            ),
        ),
        6,
        classes=("background", "object"),
    ),
    # Names
    "images in decomposed, labels in composed Unicode": Case(
        together(tools.images("images", _DECOMPOSED), tools.labels("masks", _COMPOSED)),
        2,
        classes=_THREE,
    ),
    "JPEG images and PNG labels of one stem": Case(
        together(tools.images(".", suffix=".jpg"), tools.labels(".")),
        6,
        classes=_THREE,
    ),
    "images of one stem, labels with their whole names": Case(
        together(
            tools.images("images", "abc", ".jpg"),
            tools.images("images", "abc"),
            tools.labels("labels", "abc", suffix=".jpg.png"),
            tools.labels("labels", "abc", suffix=".png.png"),
        ),
        6,
        classes=_THREE,
    ),
    "images of one stem": Case(
        together(
            tools.images("images", "abc", ".jpg"),
            tools.images("images", "abc"),
            tools.labels("labels", "abc"),
        ),
        None,
        "give the label maps the whole names, a.jpg.png and a.png.png",
    ),
    "BDD100K with other images": Case(
        together(
            tools.images("images/10k/train"),
            tools.images("images/100k/train", "uvwxyzabcd"),
            tools.labels("labels/sem_seg/masks/train"),
            tools.images("labels/sem_seg/colormaps/train"),
        ),
        6,
        "images/10k/ with labels/sem_seg/masks/",
    ),
    "masks with an ending below annotations/": Case(
        together(
            tools.images("images"),
            tools.labels("annotations/masks", suffix="_mask.png"),
            tools.texts(annotations__boxes__a_dot_xml="<a/>"),
        ),
        6,
        "labels end in _mask",
    ),
    "a split without labels": Case(
        together(
            tools.images("train", suffix="_sat.jpg"),
            tools.labels("train", suffix="_mask.png"),
            tools.images("valid", "gh", "_sat.jpg"),
        ),
        6,
        "valid/ has no labels and is not used",
    ),
    "predictions next to images and corrected polygons": Case(
        together(
            tools.images("."),
            tools.labels(".", suffix="_labels.png"),
            tools.images(".", suffix="_overlay.png"),
            tools.labelme(".", ("road", "polygon", tools.SQUARE)),
        ),
        6,
        classes=("background", "road"),
    ),
    "a list in decomposed Unicode": Case(
        together(
            tools.images("images", [*_COMPOSED, "a"]),
            tools.labels("labels", [*_COMPOSED, "a"]),
            tools.texts(train_dot_txt="\n".join(_DECOMPOSED), val_dot_txt="a"),
        ),
        {"train": 2, "val": 1},
    ),
    "label maps in JPEG": Case(
        together(
            tools.images("images"),
            tools.masks("masks", suffix=".jpg"),
        ),
        None,
        "Label maps are JPEG files",
    ),
    "two folders of label maps below one": Case(
        together(
            tools.images("images"),
            tools.labels("labels/first"),
            tools.labels("labels/second"),
        ),
        None,
        "images/ with labels/first/ or as images/ with labels/second/",
    ),
}


def flags_of(case):
    return [
        part
        for name, value in case.options.items()
        for part in (
            "--" + name.replace("_", "-"),
            ",".join(map(str, value)) if isinstance(value, tuple) else value,
        )
    ]


@pytest.mark.parametrize("name", CASES)
def test_folder_as_found(name, tmp_path, capsys):
    case, folder, file = CASES[name], tmp_path / "data", tmp_path / "report.json"
    folder.mkdir()
    case.build(folder)
    status, out, err = outcome(
        inspect,
        capsys,
        *("--data-dir", folder, "--samples", tmp_path / "page.png", "--json", file),
        *flags_of(case),
    )
    assert re.search(case.says, out + err, re.DOTALL), out + err
    if case.images is None:
        assert status == 2, out
        with pytest.raises((ValueError, OSError)):
            load_folder(folder, ("train", "val"), None, TrainingConfig(**case.options))
        return
    assert status == 0, out + err
    described = json.loads(file.read_text())
    counts = {split: one["num_images"] for split, one in described["splits"].items()}
    is_total = isinstance(case.images, int)
    assert (sum(counts.values()) if is_total else counts) == case.images
    names = tuple(one["name"] for one in described["classes"])
    assert case.classes in (None, names)
    dataset = load_folder(
        folder, ("train", "val"), None, TrainingConfig(**case.options)
    )
    assert dataset.class_map.names == names
    for split in dataset.splits:
        assert dataset.split(split).num_images == counts[split]
