"""Every default of a training, once: data for the command line and for recipes."""

from collections.abc import Callable
from dataclasses import Field, dataclass, field, fields
from typing import Any

from keras_fcn.errors import shown
from keras_fcn.typing import Size

DEFAULT_NETWORK = "fcn8s-camvid"  # the bundled one that the commands take
VARIANTS = ("32s", "16s", "8s", "4s")
HEADS = ("vgg", "compact")
SKIP_SCALES = ("batch-norm", "paper", "none")
UPSAMPLING = ("transposed", "bilinear", "nearest", "bed-of-nails", "max-unpooling")
DATASETS = (
    "camvid",
    "camvid32",
    "camvid32-with-void",
    "camvid32-merged",
    "streets",
    "folder",
)
CLASS_WEIGHTS = (
    "none",
    "median-frequency",
    "sqrt-median-frequency",
    "fourth-root-median-frequency",
)
LABEL_VALUES = ("auto", "ids", "colors", "black-white")
# Pixels that an image file may have which is read here, by default: 1.4 GB to read.
MAX_IMAGE_PIXELS = 100_000_000
GROUPS = ("data", "network", "schedule", "augmentation", "output")


@dataclass(frozen=True)
class Number:
    """Which numbers an option takes: their type, a condition, and that in words."""

    convert: type
    accepts: Callable[[float], bool]
    needed: str


_INFINITY = float("inf")
POSITIVE_INT = Number(int, lambda value: value >= 1, "a whole number from 1 on")
_SEED = Number(
    int, lambda value: 0 <= value < 2**31, "a whole number from 0 to 2**31-1"
)
_BLOCKS = Number(int, lambda value: 0 <= value <= 5, "a whole number from 0 to 5")
_POSITIVE = Number(float, lambda value: 0 < value < _INFINITY, "a number above 0")
_NOT_NEGATIVE = Number(float, lambda value: 0 <= value < _INFINITY, "0 or more")
PROBABILITY = Number(float, lambda value: 0 <= value <= 1, "a number from 0 to 1")
_SHARE = Number(float, lambda value: 0 <= value < 1, "a number from 0 to below 1")
_PART = Number(float, lambda value: 0 < value < 1, "a number above 0, below 1")
_FACTOR = Number(float, lambda value: 0 < value <= 1, "a number above 0, at most 1")
_HUE = Number(float, lambda value: 0 <= value <= 0.5, "a number from 0 to 0.5")
_DEGREES = Number(float, lambda value: 0 <= value <= 180, "degrees from 0 to 180")


def _option(
    group: str,
    default: Any,
    help: str,
    kind: tuple[str, ...] | Number | str = "text",
    metavar: str | None = None,
) -> Any:
    """A field with what a command line needs to know of it.

    `kind` is the choices, a `Number`, or "text", "size", "scale" or "switch".
    """
    metadata = {"group": group, "help": help, "kind": kind, "metavar": metavar}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class TrainingConfig:
    """What a training depends on besides the data; written to `config.json`.

    The fields that are None by default follow from others: see `training/resolve.py`.
    """

    dataset: str = _option("data", "camvid", "data set", DATASETS, "NAME")
    data_dir: str | None = _option(
        "data",
        None,
        "folder with the data: CamVid's train/ trainannot/ ..., camvid32's train/ "
        "train_labels/ ..., or your own in any usual layout (docs/your-data.md); "
        "without it camvid is downloaded",
        metavar="DIR",
    )
    label_suffix: str | None = _option(
        "data",
        None,
        "of your own data: what names of label maps have more than their images', as "
        "in _mask; found by itself when not given",
        metavar="TEXT",
    )
    label_values: str = _option(
        "data",
        "auto",
        "of your own data: what label maps store; auto decides by all files together",
        LABEL_VALUES,
        "KIND",
    )
    void: str | None = _option(
        "data",
        None,
        "of your own data: classes without loss and score, by name or id, with commas",
        metavar="NAME[,NAME]",
    )
    val_share: float = _option(
        "data",
        0.2,
        "of your own data: share of the images that validates where there is no "
        "validation split, drawn by a hash of their names",
        _PART,
        "S",
    )
    group_by: str | None = _option(
        "data",
        None,
        "of your own data: regular expression for names: images in which it finds the "
        "same text (a drive, a patient) stay in one split, as '^[^_]+' does",
        metavar="PATTERN",
    )
    accept: str | None = _option(
        "data",
        None,
        "of your own data: what is refused otherwise, with commas: duplicates, "
        "one-class, unlabelled",
        metavar="WHAT",
    )
    val_pattern: str | None = _option(
        "data",
        None,
        "train on all images of train and val but those whose names match, and "
        "validate on these: '0016E5*' leaves a drive of CamVid out",
        metavar="PATTERN",
    )
    num_images: int = _option(
        "data",
        400,
        "training images of streets; val and test have a quarter of it",
        POSITIVE_INT,
        "N",
    )
    image_size: Size = _option(
        "data", (360, 480), "size of the images of streets, pixels", "size", "HxW"
    )
    max_pixels: int = _option(
        "data",
        MAX_IMAGE_PIXELS,
        "pixels that an image or label map of folder may have",
        POSITIVE_INT,
        "N",
    )
    mix: str | None = _option(
        "data",
        None,
        "second data set with the same classes: each step takes, in addition to its "
        "batch_size images, as many of its training images. streets:12000 renders "
        "12,000; a data set (camvid, or camvid=DIR), or a folder of your own; N of "
        "its images, or all",
        metavar="NAME[:N]",
    )
    size: int | None = _option(
        "data",
        None,
        "shorter side that images are brought to before all else, pixels; predict "
        "then looks at images so; their own size when not given",
        POSITIVE_INT,
        "N",
    )
    cache_budget: int = _option(
        "data",
        1024,
        "memory for decoded images, MiB; a data set that is larger is decoded in "
        "each epoch",
        POSITIVE_INT,
        "MIB",
    )

    variant: str = _option(
        "network", "32s", "stride of the finest scores", VARIANTS, "V"
    )
    head: str = _option(
        "network",
        "vgg",
        "fc6 and fc7: the paper's with 4096 filters (134 M parameters), or a compact "
        "one with 512 (17 M)",
        HEADS,
        "NAME",
    )
    weights: str = _option(
        "network",
        "imagenet",
        "VGG16's weights: imagenet (downloaded when missing), none, or an .h5 file",
        metavar="W",
    )
    init_from: str | None = _option(
        "network",
        None,
        "network to start from, a run (32s for 16s, 16s for 8s) or pretrained for the "
        "bundled one; variant, head and skip scales are its own when not given, and "
        "scores of other classes are re-initialised",
        metavar="RUN",
    )
    head_filters: int | None = _option(
        "network",
        None,
        "filters of fc6 and fc7 of the compact head; 512 when not given",
        POSITIVE_INT,
        "N",
    )
    skip_scales: str = _option(
        "network",
        "batch-norm",
        "what brings the pools to the size of fc7 before they are scored: batch "
        "normalisation, the paper's factors 0.01 and 0.0001, or nothing",
        SKIP_SCALES,
        "NAME",
    )
    upsampling: str = _option(
        "network",
        "transposed",
        "how scores are enlarged: by transposed convolution, interpolation, or values "
        "among zeros and a convolution",
        UPSAMPLING,
        "NAME",
    )
    freeze_upsampling: bool = _option(
        "network", False, "keep the upsampling kernels bilinear", "switch"
    )
    freeze_blocks: int | None = _option(
        "network",
        None,
        "VGG16's first blocks that keep their weights, 0 to 5; when not given 2, but 0 "
        "with weights none",
        _BLOCKS,
        "N",
    )
    dropout: float = _option(
        "network", 0.5, "rate of dropout after fc6 and fc7", _SHARE, "P"
    )
    precision: str = _option(
        "network",
        "auto",
        "arithmetic of the network; auto is bfloat16 where the hardware has it, "
        "float16, with a scaled loss, on older GPUs with tensor cores, else float32",
        ("auto", "float32", "bfloat16", "float16"),
        "NAME",
    )

    epochs: int = _option(
        "schedule", 30, "passes over the training images", POSITIVE_INT, "N"
    )
    patience: int | None = _option(
        "schedule",
        None,
        "end the training after so many epochs without a better validation mean IoU; "
        "never before its last epoch when not given",
        POSITIVE_INT,
        "N",
    )
    batch_size: int = _option("schedule", 4, "images in a step", POSITIVE_INT, "N")
    learning_rate: float | None = _option(
        "schedule",
        None,
        "learning rate at the start; when not given 1e-3 for sgd and 1e-4 for adamw, "
        "but 5e-4 with the compact head and a trained start",
        _POSITIVE,
        "RATE",
    )
    encoder_rate: float | None = _option(
        "schedule",
        None,
        "factor of the learning rate of VGG16's layers, not of their weight decay; "
        "when not given 1, but 0.2 with adamw, the compact head and a trained start",
        _FACTOR,
        "F",
    )
    optimizer: str = _option("schedule", "adamw", "optimizer", ("adamw", "sgd"), "NAME")
    momentum: float = _option("schedule", 0.9, "momentum of sgd", _SHARE, "M")
    weight_decay: float = _option(
        "schedule", 1e-4, "decoupled weight decay", _NOT_NEGATIVE, "D"
    )
    warmup_epochs: float = _option(
        "schedule",
        0.0,
        "epochs over which the learning rate rises from 0",
        _NOT_NEGATIVE,
        "N",
    )
    poly_power: float = _option(
        "schedule",
        0.9,
        "power of the polynomial decay of the learning rate",
        _NOT_NEGATIVE,
        "P",
    )
    class_weights: str = _option(
        "schedule",
        "fourth-root-median-frequency",
        "weights of the classes in the loss, from the training labels",
        CLASS_WEIGHTS,
        "NAME",
    )
    seed: int = _option(
        "schedule", 0, "from which all draws of the training follow", _SEED, "N"
    )

    crop: Size | None = _option(
        "augmentation",
        None,
        "size of the training crops, pixels; the images' own, at most 320x320, when "
        "not given",
        "size",
        "HxW",
    )
    augment: bool = _option(
        "augmentation",
        True,
        "augment the training images; off leaves the crop",
        "switch",
    )
    flip: bool = _option("augmentation", True, "mirror half of the images", "switch")
    scale: tuple[float, float] = _option(
        "augmentation",
        (0.5, 1.5),
        "least and greatest enlargement; 1,1 is off",
        "scale",
        "LOW,HIGH",
    )
    rotation: float = _option(
        "augmentation", 5.0, "greatest rotation, degrees; 0 is off", _DEGREES, "DEG"
    )
    brightness: float = _option(
        "augmentation",
        0.2,
        "greatest change of brightness, share of 255; 0 is off",
        _SHARE,
        "S",
    )
    contrast: float = _option(
        "augmentation", 0.2, "greatest change of contrast, share; 0 is off", _SHARE, "S"
    )
    saturation: float = _option(
        "augmentation",
        0.2,
        "greatest change of saturation, share; 0 is off",
        _SHARE,
        "S",
    )
    hue: float = _option(
        "augmentation",
        0.02,
        "greatest change of hue, share of a turn; 0 is off",
        _HUE,
        "S",
    )

    num_samples: int = _option(
        "output",
        4,
        "validation images drawn with their prediction each epoch",
        POSITIVE_INT,
        "N",
    )

    @classmethod
    def from_json(cls, values: dict) -> "TrainingConfig":
        """Read what `asdict` and JSON made of a configuration.

        Args:
            values: value by name of the field; lists become tuples, and a field that is
                missing gets its default. What version 0.1 wrote is read as what means
                the same today; `gone_options` tells what is left out.

        Raises:
            ValueError: if a name is no field, a value is none of those that it takes,
                or nothing means the same today.
        """
        options = {option.name: option for option in fields(cls)}
        today = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in _as_today(values).items()
        }
        for name, value in today.items():
            if name not in options:
                raise ValueError(f"there is no option {str(name)[:60]}")
            if (needed := needed_instead(options[name], value)) is not None:
                raise ValueError(f"{name} must be {needed}. Received: {shown(value)}")
        return cls(**today)


def needed_instead(option: Field, value: object) -> str | None:
    """Say what a field of `TrainingConfig` takes, where a value is not of that.

    Args:
        option: the field.
        value: of any type.

    Returns:
        None where it is one that the field takes.
    """
    kind = option.metadata["kind"]
    if value is None and option.default is None:
        return None
    if isinstance(kind, Number):
        types = (int,) if kind.convert is int else (int, float)
        is_taken = type(value) in types and kind.accepts(value)
        return None if is_taken else kind.needed
    if isinstance(kind, tuple):
        return None if value in kind else f"one of {', '.join(kind)}"
    is_taken, needed = {
        "text": (_is_text, "text"),
        "switch": (lambda value: isinstance(value, bool), "true or false"),
        "size": (_is_size, "two whole numbers from 1 on, height and width"),
        "scale": (_is_scale, "two numbers above 0, the lower one first"),
    }[kind]
    return None if is_taken(value) else needed


def _is_text(value):
    return isinstance(value, str) and "\0" not in value


def _is_size(value):
    return _is_pair(value, (int,)) and min(value) >= 1


def _is_scale(value):
    return _is_pair(value, (int, float)) and 0 < value[0] <= value[1] < _INFINITY


def _is_pair(value, types):
    is_tuple = isinstance(value, tuple) and len(value) == 2
    return is_tuple and all(type(item) in types for item in value)


# What version 0.1 could do to the loss, with the defaults, and all its own options.
_GONE = {"label_smoothing": 0.0, "hard_pixels": 1.0}
_OF_VERSION_0_1 = {*_GONE, "samples_every", "classes", "void_as_class", "partition"}


def gone_options(values: dict) -> list[str]:
    """Return the options of version 0.1 that shaped a training and are gone.

    Args:
        values: what `TrainingConfig.from_json` takes.
    """
    return [
        name for name, default in _GONE.items() if values.get(name, default) != default
    ]


def _as_today(values):
    """The fields of a configuration of version 0.1; today's as they are."""
    if _OF_VERSION_0_1.isdisjoint(values):
        return dict(values)
    today = {name: values[name] for name in values.keys() - _OF_VERSION_0_1}
    if values.get("learning_rate", 0.0) is None:  # today it is written as it was taken
        today["learning_rate"] = 1e-3 if values.get("optimizer") == "sgd" else 1e-4
    if values.get("dataset") == "camvid32" and values.get("classes") == 11:
        today["dataset"] = "camvid32-merged"
    elif values.get("dataset") == "camvid32" and values.get("void_as_class"):
        today["dataset"] = "camvid32-with-void"
    partition = values.get("partition", "published")
    if not isinstance(partition, str):
        raise ValueError(f"partition must be text. Received: {shown(partition)}")
    if partition.startswith("without-"):
        today["val_pattern"] = partition.removeprefix("without-") + "*"
    elif partition != "published":
        raise ValueError(
            f"partition {partition} is of version 0.1 alone: nothing was held out"
        )
    return today


# The fields that say which data; the command `evaluate` has flags for them too.
FOLDER_FIELDS = (
    "label_suffix",
    "label_values",
    "void",
    "val_share",
    "group_by",
    "accept",
    "max_pixels",
)
DATA_FIELDS = ("dataset", "data_dir", *FOLDER_FIELDS, "num_images", "image_size")
