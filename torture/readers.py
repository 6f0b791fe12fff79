"""Every kind of file that is read: whole ones to begin with, and what reads them."""

import base64
import csv
import io
import json
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import save

from keras_fcn.classes import ClassMap
from keras_fcn.config import TrainingConfig
from keras_fcn.datasets.folder.folder_data import FolderOptions
from keras_fcn.datasets.folder.labels.files import read_labels
from keras_fcn.datasets.folder.read import read_folder
from keras_fcn.images.frames import read_frames
from keras_fcn.images.reading import (
    UnreadableImage,
    read_image,
    read_size,
    read_stored_values,
)

MAX_PIXELS = 1_000_000  # so that a large image is no use of memory that is wanted


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        suffix: of its names.
        seeds: function that returns whole files.
        read: function that reads a file of a path.
        cost: how many files of images are read in the time of one of these.
    """

    suffix: str
    seeds: Callable[[], list[bytes]]
    read: Callable[[Path], object]
    cost: int = 1


def _encode(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _images():
    rng = np.random.default_rng(0)
    rgb = Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype="uint8"))
    grey, palette = rgb.convert("L"), rgb.quantize(16)
    deep = Image.fromarray(rng.integers(0, 2**16, (20, 30), dtype="uint16"))
    return rgb, grey, palette, deep


def _png():
    rgb, grey, palette, deep = _images()
    exif = Image.Exif()
    exif[0x0112] = 6
    return [
        _encode(rgb, "PNG", exif=exif),
        _encode(grey, "PNG"),
        _encode(palette, "PNG", transparency=3),
        _encode(deep, "PNG"),
        _encode(grey.convert("1"), "PNG"),
        _encode(rgb, "PNG", save_all=True, append_images=[rgb.rotate(90)]),
    ]


def _jpeg():
    rgb, grey, _, _ = _images()
    exif = Image.Exif()
    exif[0x0112] = 8
    return [
        _encode(rgb, "JPEG", exif=exif),
        _encode(rgb, "JPEG", progressive=True),
        _encode(grey, "JPEG", quality=95),
        _encode(rgb.convert("CMYK"), "JPEG"),
        _encode(rgb, "MPO", save_all=True, append_images=[rgb]),
    ]


def _webp():
    rgb, *_ = _images()
    return [
        _encode(rgb, "WEBP"),
        _encode(rgb, "WEBP", lossless=True),
        _encode(rgb, "WEBP", save_all=True, append_images=[rgb.rotate(90)]),
    ]


def _bmp():
    rgb, grey, palette, _ = _images()
    return [_encode(image, "BMP") for image in (rgb, grey, palette)]


def _tiff():
    rgb, grey, palette, deep = _images()
    return [
        _encode(rgb, "TIFF"),
        _encode(grey, "TIFF", compression="tiff_lzw"),
        _encode(palette, "TIFF", compression="packbits"),
        _encode(deep, "TIFF", compression="tiff_deflate"),
        _encode(rgb, "TIFF", compression="jpeg"),
        _encode(rgb, "TIFF", save_all=True, append_images=[rgb.rotate(90)]),
        _encode(Image.fromarray(np.float32([[1, -300], [1.5, 0]])), "TIFF"),
    ]


def _tiff_labels():
    signed = Image.fromarray(np.int32([[1, -300], [70000, 0]]))
    return [*_tiff(), _encode(signed, "TIFF")]


def _ppm():
    rgb, grey, _, _ = _images()
    return [_encode(rgb, "PPM"), _encode(grey, "PPM"), b"P3 2 1 255 1 2 3 4 5 6\n"]


def _gif():
    rgb, grey, palette, _ = _images()
    return [
        _encode(palette, "GIF"),
        _encode(palette, "GIF", save_all=True, append_images=[grey, palette]),
    ]


def _read_images(path):
    """As an image, as labels, by its header, and frame by frame: all that there is."""
    problem = None
    for read in (read_image, read_stored_values, lambda *_: read_size(path), _frames):
        try:
            read(path, MAX_PIXELS)
        except (ValueError, OSError) as error:
            _check_line(path, error)
            problem = error
    if problem is not None:
        raise problem


def _frames(path, max_pixels):
    for _ in read_frames(path, max_pixels):
        pass


def _check_line(path, error):
    """Raise AssertionError unless an error is a line that names the file."""
    message = str(error)
    if "\n" in message or path.name not in message:
        raise AssertionError(f"{type(error).__name__}: {message!r}") from error


def _arrays():
    files = []
    for arrays in (
        {"fc6/kernel": np.ones((3, 3, 4, 5), "float16"), "fc6/bias": np.zeros(5)},
        {"a": np.arange(24).reshape(2, 3, 4)},
        {str(index): np.float32(index) for index in range(9)},
    ):
        files.append(save({name: np.asarray(a) for name, a in arrays.items()}))
    return files


def _read_arrays(path):
    from keras_fcn.storage.arrays import read_arrays

    read_arrays(path)


def _configs():
    config = TrainingConfig(data_dir="data", crop=(96, 128))
    content = {"config": asdict(config), "versions": {"keras": "3"}, "git_commit": None}
    return [json.dumps(content, indent=2).encode(), b'{"config": {}}']


def _read_config(path):
    from keras_fcn.runs.folder import RunFolder

    run = RunFolder(path.parent)
    path.replace(run.config_file)
    run.read_config()


def _class_maps():
    class_map = ClassMap(("sky", "road"), ((1, 2, 3), (4, 5, 6)), 255)
    return [json.dumps(asdict(class_map)).encode()]


def _checkpoints():
    scores = {"loss": 0.25, "val_mean_iou": 0.5, "seconds": 1.5}
    history = [{"epoch": number, **scores} for number in (1, 2, 3)]
    content = {
        "epoch": 3,
        "step": 0,
        "state": "checkpoint-0003.safetensors",
        "history": history,
    }
    return [json.dumps(content).encode()]


def _read_checkpoint(path):
    from keras_fcn.runs.checkpoints import Checkpoint

    Checkpoint.read(path)


def _class_tables():
    rows = [("name", "r", "g", "b"), ("sky", 1, 2, 3), ("road", 4, 5, 6)]
    file = io.StringIO()
    csv.writer(file).writerows([*rows, ("Void", 0, 0, 0)])
    text = file.getvalue()
    return [
        text.encode(),
        text.replace(",", ";").encode("utf-8-sig"),
        text.replace(",", "\t").encode("utf-16"),
        b'"a, b",1,2,3\n"c ""d""",4,5,6\n',
        b"id,name\n0,road\n1,sky\n",
    ]


def _label_arrays():
    files = []
    for array in (np.eye(4, dtype="uint8"), np.ones((3, 4, 3), "uint8"), np.eye(3)):
        file = io.BytesIO()
        np.save(file, array)
        files.append(file.getvalue())
    return files


def _read_labels(path):
    try:
        read_labels(path, MAX_PIXELS)
    except UnreadableImage:
        raise
    except ValueError as error:  # the callers put the name before what is wrong
        raise ValueError(f"{path} {error}") from error


def _coco():
    shapes = [
        [[1, 1, 20, 1, 20, 15]],
        {"size": [20, 30], "counts": [100, 200, 300]},
        {"size": [20, 30], "counts": "T32[?0"},
    ]
    content = {
        "images": [
            {"id": 1, "file_name": "a.png", "height": 20, "width": 30},
            {"id": 2, "file_name": "b.png", "height": 20, "width": 30},
        ],
        "categories": [{"id": 1, "name": "road"}, {"id": 2, "name": "sky"}],
        "annotations": [
            {"id": index, "image_id": 1, "category_id": 1, "segmentation": shape}
            for index, shape in enumerate(shapes)
        ],
    }
    return [json.dumps(content).encode()]


def _read_coco(path):
    folder = path.parent / "coco"
    _write_two_images(folder)
    path.replace(folder / "instances.json")
    _read_folder(folder)


def _write_two_images(folder):
    folder.mkdir(exist_ok=True)
    for name, content in zip(("a.png", "b.png"), _png()[2:], strict=False):
        (folder / name).write_bytes(content)


def _labelme():
    shapes = [
        {"label": "a", "points": [[1, 1], [20, 1], [20, 15]], "shape_type": "polygon"},
        {"label": "b", "points": [[1, 1], [9, 9]], "shape_type": "rectangle"},
        {"label": "a", "points": [[9, 9], [12, 9]], "shape_type": "circle"},
        {
            "label": "b",
            "points": [[2, 2], [31, 21]],
            "shape_type": "mask",
            "mask": base64.b64encode(_png()[1]).decode(),
        },
    ]
    content = {"imageHeight": 20, "imageWidth": 30, "shapes": shapes}
    small = {**content, "shapes": shapes[:2]}
    return [json.dumps(content).encode(), json.dumps(small).encode()]


def _read_labelme(path):
    folder = path.parent / "labelme"
    _write_two_images(folder)
    (folder / "b.json").write_bytes(_labelme()[0])
    path.replace(folder / "a.json")
    _read_folder(folder)


def _read_folder(folder):
    options = FolderOptions(max_pixels=MAX_PIXELS)
    read_folder(folder, options=options).refuse_problems()


def _read_names(path):
    from keras_fcn.datasets.folder.layouts.splits import read_list

    read_list(path)


@cache
def _saved_network():
    """The files in a `.keras` file, by name."""
    from keras_fcn.models.fcn import FCN

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "network.keras")
        FCN("8s", 3, "compact", None, head_filters=4).save(path)
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}


def _keras_configs():
    return [_saved_network()["config.json"]]


def _read_keras(path):
    from keras_fcn.runs.saved_network import load_network

    file = path.with_suffix(".keras")
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in _saved_network().items():
            is_config = name == "config.json"
            archive.writestr(name, path.read_bytes() if is_config else content)
    path.unlink()
    try:
        load_network(file)
    finally:
        file.unlink()


def _h5_files():
    import h5py

    files = []
    for compression in (None, "gzip"):
        content = io.BytesIO()
        with h5py.File(content, "w") as file:
            for name, depth in (("block1_conv1", 3), ("block1_conv2", 64)):
                group = file.create_group(name).create_group(name)
                kernel = np.zeros((3, 3, depth, 64), "float32")
                group.create_dataset("kernel:0", data=kernel, compression=compression)
                group.create_dataset("bias:0", data=np.zeros(64, "float32"))
        files.append(content.getvalue())
    return files


@cache
def _network():
    from keras_fcn.models.fcn import FCN

    return FCN("32s", 3, "compact", None, head_filters=4)


def _read_h5(path):
    from keras_fcn.models.weights import load_vgg16_weights

    load_vgg16_weights(_network(), path)


def _streets(folder):
    import tensorflow_datasets as tfds

    from keras_fcn.datasets import streets
    from keras_fcn.datasets.prepared import prepared_dataset

    tfds.core.constants.DATA_DIR = str(folder)
    config = streets.streets_config(1, (32, 48), 0)
    return prepared_dataset(
        partial(streets.Streets, config=config), streets.CLASS_MAP, (32, 48)
    )


@cache
def _prepared():
    """Folder with data that TFDS has prepared, and what is in its files."""
    folder = Path(tempfile.mkdtemp(prefix="prepared-"))
    _streets(folder)
    return folder, {
        path: path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def _prepared_files(pattern):
    return lambda: [
        content for path, content in _prepared()[1].items() if path.match(pattern)
    ]


def _read_prepared(pattern):
    def read(path):
        """Put a file into the place of a prepared one, and read all examples."""
        folder, files = _prepared()
        target = next(place for place in files if place.match(pattern))
        path.replace(target)
        try:
            for split in _streets(folder).splits.values():
                for _ in split.examples.as_numpy_iterator():
                    pass
        except ValueError as error:
            if str(folder) in str(error):  # it is named, as files of others are
                raise ValueError(f"{path}: {error}") from error
            raise
        finally:
            target.write_bytes(files[target])

    return read


def _read_class_table(path):
    from keras_fcn.datasets.folder.labels.class_table import read_class_table

    read_class_table(path)


def _lists():
    return [b"a.png\nb/c.png\n", "é.png\r\n".encode("utf-8-sig"), b"x/y.png"]


def _read_list(path):
    from keras_fcn.prediction.jobs import find_jobs

    find_jobs([], path.parent / "out", str(path))


KINDS = {
    "png": Kind(".png", _png, _read_images),
    "jpeg": Kind(".jpg", _jpeg, _read_images),
    "webp": Kind(".webp", _webp, _read_images),
    "bmp": Kind(".bmp", _bmp, _read_images),
    "tiff": Kind(".tif", _tiff, _read_images),
    "ppm": Kind(".ppm", _ppm, _read_images),
    "gif": Kind(".gif", _gif, _read_images),
    "safetensors": Kind(".safetensors", _arrays, _read_arrays),
    "config": Kind(".json", _configs, _read_config),
    "classes": Kind(".json", _class_maps, ClassMap.load),
    "checkpoint": Kind(".json", _checkpoints, _read_checkpoint),
    "labels": Kind(".npy", _label_arrays, _read_labels),
    "tiff-labels": Kind(".tif", _tiff_labels, _read_labels),
    "coco": Kind(".json", _coco, _read_coco, cost=5),
    "labelme": Kind(".json", _labelme, _read_labelme, cost=5),
    "names": Kind(".txt", _lists, _read_names),
    "keras": Kind(".json", _keras_configs, _read_keras, cost=50),
    "h5": Kind(".h5", _h5_files, _read_h5, cost=5),
    "tfrecord": Kind(
        ".tfrecord",
        _prepared_files("*train.tfrecord*"),
        _read_prepared("*train.tfrecord*"),
        cost=20,
    ),
    "dataset-info": Kind(
        ".json",
        _prepared_files("dataset_info.json"),
        _read_prepared("dataset_info.json"),
        cost=20,
    ),
    "class-table": Kind(".csv", _class_tables, _read_class_table),
    "list": Kind(".txt", _lists, _read_list),
}
