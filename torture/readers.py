"""Every kind of file that is read: whole ones to begin with, and what reads them."""

import base64
import csv
import io
import json
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache, partial
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools.mask import encode
from safetensors.numpy import save

from keras_fcn.classes import ClassMap
from keras_fcn.config import TrainingConfig
from keras_fcn.datasets.folder.labels.class_table import read_class_table
from keras_fcn.datasets.folder.labels.files import read_labels
from keras_fcn.datasets.folder.labels.table_files import read_table
from keras_fcn.datasets.folder.read import read_folder
from keras_fcn.images.frames import read_frames
from keras_fcn.images.reading import (
    UnreadableImage,
    read_image,
    read_size,
    read_stored_values,
)
from keras_fcn.jobs.recipes import find_recipe, read_recipe

_DATA = {"train": {"number of images": 4, "names": 1, "images": 2, "label maps": 3}}
MAX_PIXELS = 1_000_000  # so that a large image is not reported as a fault


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        suffix: of its names.
        seeds: function that returns whole files.
        read: function that reads a file of a path.
        is_slow: whether 10,000 of them take more than a minute.
    """

    suffix: str
    seeds: Callable[[], list[bytes]]
    read: Callable[[Path], object]
    is_slow: bool = False


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
    content = {
        "config": asdict(config),
        "training_size": 360,
        "data": _DATA,
        "data_changes": [{"after_epoch": 1, "changes": "train has other images"}],
        "versions": {"keras": "3"},
        "git_commit": None,
    }
    return [json.dumps(content, indent=2).encode(), b'{"config": {}}']


def _read_config(path):
    run = _run_with(path, "config.json")
    run.read_config()
    run.read_training_size()
    run.check_data(_DATA, is_accepted=True, epoch=3)


def _run_with(path, name):
    """The run in the folder of a file, which is renamed to `name`."""
    from keras_fcn.runs.folder import RunFolder

    path.replace(path.parent / name)
    return RunFolder(path.parent)


def _calibrations():
    return [b'{"temperature": 1.25, "split": "val"}']


def _metrics():
    return [b'{"epoch": 3, "mean_iou": 0.5, "pixel_accuracy": 0.75}']


def _histories():
    return [b"epoch,loss,val_mean_iou,seconds\n1,0.5,0.25,9\n2,0.25,,9\n"]


def _read_samples(path):
    """Draw the animation of a run; the file is the second of its three samples."""
    from keras_fcn.drawing.sample_strip import write_animation
    from keras_fcn.runs.samples import find_frames

    folder, names = path.parent / "samples", "epoch-{}-sample-1.png".format
    folder.mkdir(exist_ok=True)
    for epoch in (1, 3):
        (folder / names(epoch)).write_bytes(_png()[1])
    run = _run_with(path, f"samples/{names(2)}")
    run.config_file.write_bytes(_configs()[0])
    write_animation(find_frames([run], 1), path.parent / "samples.gif", 0.5)


@cache
def _event_files():
    import tensorflow as tf
    from tensorflow.core.util.event_pb2 import Event

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "events")
        with tf.io.TFRecordWriter(str(path)) as writer:
            writer.write(Event(file_version="brain.Event:2").SerializeToString())
            for epoch in (1, 2, 3):
                event = Event(step=epoch)
                event.summary.value.add(tag="loss", simple_value=1 / epoch)
                writer.write(event.SerializeToString())
        return [path.read_bytes()]


def _read_events(path):
    """Merge it with another event file, as a resumed training does."""
    from keras_fcn.training.event_files import keep_events_until

    folder = path.parent / "tensorboard/train"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "events.1").write_bytes(_event_files()[0])
    path.replace(folder / "events.2")
    keep_events_until(folder.parent, 2)


def _recipes():
    own = b"""# Comment.
dataset = "folder"
data_dir = 'data'
crop = [96, 128]
learning_rate = 1e-3
epochs = 1_000
augment = false
val_pattern = '''drive-1'''
"""
    return [find_recipe("camvid-fcn8s").read_bytes(), own]


def _results():
    return [
        b"path,frame,status,height,width,seconds,problem,sky,road,void\n"
        b"a.png,,done,20,30,0.1,,0.5,0.5,0\n"
        b'"b, c.gif",1,skipped,,,,"no\nimage",,,\n'
    ]


def _read_results(path):
    """Keep the rows of an earlier `predict --csv`."""
    from keras_fcn.prediction.results import result_table

    with result_table(path, ClassMap.load(_class_map_file()), keep_rows=True):
        pass


@cache
def _class_map_file():
    path = Path(tempfile.mkdtemp(prefix="classes-"), "classes.json")
    path.write_bytes(_class_maps()[0])
    return path


@cache
def _videos():
    import av

    rng = np.random.default_rng(0)
    files = []
    for kind, codec in (("mp4", "libx264"), ("matroska", "ffv1"), ("avi", "mjpeg")):
        file = io.BytesIO()
        with av.open(file, "w", format=kind) as container:
            stream = container.add_stream(codec, rate=10)
            stream.width, stream.height = 48, 32
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            stream.thread_count = 1
            for _ in range(5):
                image = rng.integers(0, 256, (4, 6, 3), "uint8").repeat(8, 0)
                frame = av.VideoFrame.from_ndarray(image.repeat(8, 1), format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        files.append(file.getvalue())
    return files


def _read_video(path):
    """Decode all frames, and those after 0.2 s; damage found later is an error."""
    from keras_fcn.prediction.video.reader import Clip, VideoReader

    for clip in (Clip(start=0.2), Clip()):
        with VideoReader(path, clip, MAX_PIXELS) as reader:
            for _ in reader.frames():
                pass
    if reader.damage:
        raise ValueError(reader.damage)


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


def _color_tables():
    return [b"0 0 0 Void\n64 128 64 Animal\n", b"sky 1 2 3\nroad 4 5 6\n"]


def _yaml_tables():
    return [
        b"# YOLO\nnames: [road, 'sky', \"car\"]\nnc: 3\ntrain: ../train/images\n",
        b"train: &place images\nval: *place\nnames:\n  0: road\n  1: >-\n    sky\n",
    ]


def _json_tables():
    classes = [{"title": "sky", "color": "#0102FF"}, {"title": "a", "color": "#000000"}]
    labels = [{"name": "void--a", "color": [1, 2, 3], "evaluate": False}]
    tables = ({"0": "road", "1": "sky"}, {"classes": classes}, {"labels": labels})
    return [json.dumps(table).encode() for table in tables]


def _cvat_tables():
    return [b"# label:color_rgb:parts:actions\nroad:1,2,3::\nsky:4,5,6:a,b:\ncar:::\n"]


def _read_cvat(path):
    target = path.with_name("labelmap.txt")
    path.replace(target)
    _read_table(target)


def _read_table(path):
    if read_table(path) is None:  # a file of another kind for the callers
        raise ValueError(f"{path} is no table")


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
    half = np.zeros((20, 30), "uint8", order="F")
    half[:, 15:] = 1
    shapes = [
        [[1, 1, 20, 1, 20, 15]],
        {"size": [20, 30], "counts": [100, 200, 300]},
        {"size": [20, 30], "counts": encode(half)["counts"].decode()},
    ]
    content = {
        "images": [
            {"id": 1, "file_name": "a.png", "height": 20, "width": 30},
            {"id": 2, "file_name": "b.png", "height": 20, "width": 30},
        ],
        "categories": [{"id": 1, "name": "road"}, {"id": 2, "name": "sky"}],
        "annotations": [
            {"id": index, "image_id": image, "category_id": 1, "segmentation": shape}
            for index, (image, shape) in enumerate(product((1, 2), shapes))
        ],
    }
    return [json.dumps(content).encode()]


def _read_coco(path):
    folder = path.parent / "coco"
    _write_two_images(folder)
    path.replace(folder / "instances.json")
    _read_folder(folder)


def _write_two_images(folder):
    folder.mkdir(parents=True, exist_ok=True)
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


def _other_shapes():
    """Files of Supervisely, Cityscapes and Mapillary."""
    square = [[4, 4], [20, 4], [20, 15], [4, 15]]
    bitmap = base64.b64encode(zlib.compress(_png()[1])).decode()
    objects = [
        {
            "classTitle": "a",
            "geometryType": "polygon",
            "points": {"exterior": square, "interior": [[[6, 6], [9, 6], [9, 9]]]},
        },
        {
            "classTitle": "b",
            "geometryType": "bitmap",
            "bitmap": {"data": bitmap, "origin": [0, 0]},
        },
    ]
    files = [{"size": {"height": 20, "width": 30}, "objects": objects}]
    for height, width in (("imgHeight", "imgWidth"), ("height", "width")):
        polygon = {"label": "b", "polygon": square}
        files.append({height: 20, width: 30, "objects": [polygon]})
    return [json.dumps(content).encode() for content in files]


def _label_studio():
    size = {"original_height": 20, "original_width": 30}
    regions = {
        "polygonlabels": {"points": [[10, 10], [60, 10], [60, 60]]},
        "rectanglelabels": {"x": 5, "y": 5, "width": 50, "height": 50, "rotation": 9},
        "ellipselabels": {"x": 50, "y": 50, "radiusX": 9, "radiusY": 9, "rotation": 0},
        "brushlabels": {"format": "rle", "rle": _brush(20, 30)},
    }
    results = [
        {"type": kind, "value": {**value, kind: [kind]}, **size}
        for kind, value in regions.items()
    ]
    tasks = [
        {
            "id": number,
            "data": {"image": f"/data/upload/1/0123abcd-{name}.png"},
            "annotations": [{"result": result, "was_cancelled": False}],
        }
        for number, (name, result) in enumerate(
            (("a", results), ("b", results[:2])), start=1
        )
    ]
    small = [
        {
            "image": f"/data/upload/1/{name}.png",
            "annotation_id": 7,
            "label": [{**value, kind: [kind], **size}],
        }
        for name, (kind, value) in zip("ab", regions.items(), strict=False)
    ]
    return [json.dumps(content).encode() for content in (tasks, small)]


def _brush(height, width):
    """Label Studio's run lengths of a mask: the upper half, in two runs."""
    count = 4 * height * width
    bits = f"{count:032b}{7:05b}" + f"{15:04b}" * 4
    bits += "".join(f"100{count // 2 - 1:016b}{value:08b}" for value in (255, 0))
    bits += "0" * (-len(bits) % 8)
    return [int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)]


def _read_label_studio(path):
    folder = path.parent / "label-studio"
    _write_two_images(folder)
    path.replace(folder / "tasks.json")
    _read_folder(folder)


def _yolo():
    return [
        b"0 0.1 0.1 0.5 0.1 0.5 0.6 0.1 0.6\n1 0.2 0.2 0.9 0.2 0.9 0.9\n",
        b"1 0 0 1 0 1 1 0 1\r\n",
    ]


def _read_yolo(path):
    folder = path.parent / "yolo"
    _write_two_images(folder / "images")
    (folder / "labels").mkdir(exist_ok=True)
    (folder / "data.yaml").write_bytes(_yaml_tables()[0])
    (folder / "labels/b.txt").write_bytes(_yolo()[0])
    path.replace(folder / "labels/a.txt")
    _read_folder(folder)


def _read_folder(folder):
    options = TrainingConfig(max_pixels=MAX_PIXELS)
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
            for layer in _network().layers:
                if not (layer.name.startswith("block") and layer.weights):
                    continue
                group = file.create_group(layer.name).create_group(layer.name)
                options: dict = {}  # without data: zeros, which take no space
                if layer.name == "block1_conv1":
                    kernel = np.zeros(layer.kernel.shape, "float32")
                    options = {"data": kernel, "compression": compression}
                group.create_dataset("kernel:0", layer.kernel.shape, "f4", **options)
                group.create_dataset("bias:0", layer.bias.shape, "f4")
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

    from keras_fcn.datasets import camvid, streets
    from keras_fcn.datasets.prepared import prepared_dataset

    tfds.core.constants.DATA_DIR = str(folder)
    config = streets.streets_config(1, (32, 48), 0)
    return prepared_dataset(
        partial(streets.Streets, config=config), camvid.CLASS_MAP, (32, 48)
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
    "calibration": Kind(
        ".json",
        _calibrations,
        lambda path: _run_with(path, "calibration.json").read_temperature(),
    ),
    "metrics": Kind(
        ".json", _metrics, lambda path: _run_with(path, "metrics.json").read_metrics()
    ),
    "history": Kind(
        ".csv", _histories, lambda path: _run_with(path, "history.csv").read_history()
    ),
    "samples": Kind(".png", lambda: _png()[1:], _read_samples, is_slow=True),
    "events": Kind(".events", _event_files, _read_events, is_slow=True),
    "recipe": Kind(".toml", _recipes, read_recipe),
    "results": Kind(".csv", _results, _read_results),
    "video": Kind(".mp4", _videos, _read_video, is_slow=True),
    "labels": Kind(".npy", _label_arrays, _read_labels),
    "tiff-labels": Kind(".tif", _tiff_labels, _read_labels),
    "coco": Kind(".json", _coco, _read_coco, is_slow=True),
    "labelme": Kind(".json", _labelme, _read_labelme, is_slow=True),
    "other-shapes": Kind(".json", _other_shapes, _read_labelme, is_slow=True),
    "label-studio": Kind(".json", _label_studio, _read_label_studio, is_slow=True),
    "yolo": Kind(".txt", _yolo, _read_yolo, is_slow=True),
    "names": Kind(".txt", _lists, _read_names),
    "keras": Kind(".json", _keras_configs, _read_keras, is_slow=True),
    "h5": Kind(".h5", _h5_files, _read_h5, is_slow=True),
    "tfrecord": Kind(
        ".tfrecord",
        _prepared_files("*train.tfrecord*"),
        _read_prepared("*train.tfrecord*"),
        is_slow=True,
    ),
    "dataset-info": Kind(
        ".json",
        _prepared_files("dataset_info.json"),
        _read_prepared("dataset_info.json"),
        is_slow=True,
    ),
    "class-table": Kind(".csv", _class_tables, read_class_table),
    "color-table": Kind(".txt", _color_tables, read_class_table),
    "yaml-table": Kind(".yaml", _yaml_tables, _read_table),
    "json-table": Kind(".json", _json_tables, _read_table),
    "cvat-table": Kind(".txt", _cvat_tables, _read_cvat),
    "list": Kind(".txt", _lists, _read_list),
}
