"""Options of a training with their defaults, for Python, the command line and recipes.

Comments give the reason for a default, and where it was measured.
"""

import re
from functools import partial
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, ValidationInfo

from keras_fcn.errors import did_you_mean, shortened
from keras_fcn.options import (
    MAX_PIXELS,
    BlockCount,
    Degrees,
    Factor,
    FilterCount,
    Fraction,
    HalfTurn,
    ImageCount,
    Kind,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    Range,
    Seed,
    Share,
    Side,
    Size,
    Text,
    ValueRange,
    option,
    validated,
)

DEFAULT_NETWORK = "fcn8s-camvid"  # bundled
Variant = Literal["32s", "16s", "8s", "4s"]
Head = Literal["vgg", "compact"]
SkipScales = Literal["batch-norm", "paper", "none"]
Upsampling = Literal[
    "transposed", "bilinear", "nearest", "bed-of-nails", "max-unpooling"
]
Precision = Literal["auto", "float32", "bfloat16", "float16"]
Dataset = Literal[
    "camvid", "camvid32", "camvid32-with-void", "camvid32-merged", "streets", "folder"
]
ClassWeightMethod = Literal[
    "none", "median-frequency", "sqrt-median-frequency", "fourth-root-median-frequency"
]
_ACCEPTABLE = ("duplicates", "one-class", "unlabelled")
PIXELWISE = ("ce", "focal", "ohem")  # have class weights
LOSSES = (*PIXELWISE, "dice", "tversky", "lovasz")
DATASETS: tuple[str, ...] = get_args(Dataset)
VARIANTS: tuple[str, ...] = get_args(Variant)
HEADS: tuple[str, ...] = get_args(Head)
SKIP_SCALES: tuple[str, ...] = get_args(SkipScales)
UPSAMPLING: tuple[str, ...] = get_args(Upsampling)
CLASS_WEIGHTS: tuple[str, ...] = get_args(ClassWeightMethod)
MAX_IMAGE_PIXELS = MAX_PIXELS
GROUPS = ("run", "data", "network", "schedule", "augmentation")


def words(text: str | None) -> tuple[str, ...]:
    """Split a list of words at its commas.

    Args:
        text: words with or without spaces around them; None for no words.
    """
    return tuple(filter(None, map(str.strip, (text or "").split(","))))


def parse_loss(name: str) -> list[tuple[float, str]]:
    """Parse a sum of losses, such as "ce+0.5*dice".

    Args:
        name: names of `LOSSES`, each with an optional factor above 0, joined by +.

    Returns:
        Factor and name of each loss.

    Raises:
        ValueError: if a name is unknown, or a factor is not a number above 0.
    """
    terms = []
    for text in name.split("+"):
        factor, _, term = text.strip().rpartition("*")
        if term not in LOSSES:
            raise ValueError(
                f"`loss` must be {', '.join(LOSSES)} or a sum such as ce+0.5*dice. "
                f"Received: loss={shortened(name)}{did_you_mean(term, LOSSES)}"
            )
        if factor and not re.fullmatch(r"\d*\.?\d+", factor):
            raise ValueError(
                f"`loss` expects a number before *, as in 0.5*{term}. Received: "
                f"loss={shortened(name)}"
            )
        terms.append((float(factor or 1), term))
    return terms


def _check_loss(name: str) -> str:
    parse_loss(name)
    return name


def _numbers(value: Any, info: ValidationInfo) -> Any:
    """Convert "1,2.5" on a command line and [1, 2.5] in JSON."""
    if isinstance(value, str) and value[:1].isdigit() and info.mode == "string":
        return tuple(float(number) for number in value.split(","))
    if isinstance(value, list | tuple):
        return tuple(map(float, value))
    return value


LossName = Annotated[
    str,
    AfterValidator(_check_loss),
    Kind(f"{', '.join(LOSSES)} or a sum of them, such as ce+0.5*dice", "LOSS", LOSSES),
]
ClassWeights = Annotated[
    ClassWeightMethod | tuple[PositiveFloat, ...],
    BeforeValidator(_numbers),
    Kind(
        f"{', '.join(CLASS_WEIGHTS)}, or numbers above 0, one for each class",
        "METHOD|W,W,...",
        CLASS_WEIGHTS,
    ),
]


def _check_acceptable(text: str) -> str:
    if not set(words(text)).issubset(_ACCEPTABLE):
        raise ValueError("not a problem that can be accepted")
    return text


Accepted = Annotated[
    str,
    AfterValidator(_check_acceptable),
    Kind(f"one or more of {', '.join(_ACCEPTABLE)}", "WHAT[,WHAT]", _ACCEPTABLE),
]

_data = partial(option, group="data")
_network = partial(option, group="network")
_schedule = partial(option, group="schedule")
_augmentation = partial(option, group="augmentation")
_run = partial(option, group="run")


@validated
class TrainingConfig:
    """Options of a training; written to the `config.json` of its run.

    Fields that are None by default follow from others: see `training/resolve.py`.
    """

    num_samples: PositiveInt = _run(
        4, "number of validation images whose predictions are drawn after each epoch"
    )
    # Two states with the optimizer's moments: seven times the size of the network.
    keep_checkpoints: bool = _run(
        False,
        "keep the last two checkpoints when the training has finished; the network in "
        "best.keras is always kept",
    )

    dataset: Dataset = _data(
        "camvid", "data set; that of data_dir, by its layout, if only that is given"
    )
    data_dir: Text | None = _data(
        None,
        "folder of the data set: CamVid (train/, trainannot/, ...), camvid32 (train/, "
        "train_labels/, ...), or your own images and labels (docs/your-data.md); if "
        "not given, camvid is downloaded",
        metavar="DIR",
    )
    images_dir: Text | None = _data(
        None,
        "dataset=folder: name of the folder of images, in data_dir or in the folders "
        "of its splits; detected if not given",
        metavar="NAME",
    )
    labels_dir: Text | None = _data(
        None,
        "dataset=folder: name of the folder of labels; detected if not given",
        metavar="NAME",
    )
    label_suffix: Text | None = _data(
        None,
        "dataset=folder: suffix of the label map names, such as _mask; detected if "
        "not given",
    )
    # Ids, colors and black and white are distinguished over all files together.
    label_values: Literal["auto", "ids", "colors", "black-white"] = _data(
        "auto", "dataset=folder: how the values in label maps are interpreted"
    )
    void: Text | None = _data(
        None,
        "dataset=folder: classes to ignore in loss and metrics, by name or id",
        metavar="NAME[,NAME]",
    )
    val_share: Fraction = _data(
        0.2,
        "dataset=folder: share of the images used for validation if there is no "
        "validation split; selected by a hash of the file names",
    )
    group_by: Text | None = _data(
        None,
        "dataset=folder: regular expression for file names; images with the same "
        "matched text (a drive, a patient) stay in one split, e.g. '^[^_]+'",
        metavar="PATTERN",
    )
    accept: Accepted | None = _data(
        None,
        "dataset=folder: train despite these problems: duplicates, one-class, "
        "unlabelled",
    )
    value_range: ValueRange = _data(
        "auto",
        "dataset=folder: the values of images that become 0 and 255; auto finds the "
        "range of images of more than 8 bits, dtype is the whole range of their type",
    )
    # Holding out '0016E5*' ranks changes of the training better than the published
    # validation images, which are of a drive that is in train too (docs/results.md).
    val_pattern: Text | None = _data(
        None,
        "validate on the images of train and val whose names match, e.g. '0016E5*' "
        "for one drive of CamVid, and train on all others",
        metavar="PATTERN",
    )
    # As many as CamVid has, roughly; 12,000 give 5 points of mean IoU more than none
    # as a start for CamVid (docs/results.md).
    num_images: ImageCount = _data(
        400,
        "dataset=streets: number of training images; val and test have a quarter "
        "as many each",
    )
    image_size: Size = _data(  # CamVid's, as SegNet's authors scaled it
        (360, 480), "dataset=streets: image size, pixels"
    )
    max_pixels: PositiveInt = _data(
        MAX_IMAGE_PIXELS,
        "dataset=folder: maximum number of pixels of an image or label map",
    )
    # 12,000 streets in each step gave 1.1 points of mean IoU more than as a first stage
    # only (docs/results.md).
    mix: Text | None = _data(
        None,
        "also train on a second data set with the same classes: each step then "
        "contains batch_size images of each; NAME is streets, camvid, camvid=DIR or a "
        "folder; N is the number of images to use (streets:12000 renders 12,000), all "
        "if not given; none overrides a recipe",
        metavar="NAME[:N]",
    )
    # None, because time grows with the pixels: 540 rows in place of 360 give 2.9 points
    # of mean IoU on CamVid's test images in 2.25 times the time (docs/results.md).
    size: Side | None = _data(
        None,
        "resize images to N pixels on the shorter side, in training and in "
        "prediction; no resizing if not given",
    )
    # CamVid decoded takes 320 MiB: 468 images and label maps of 360x480.
    cache_budget: PositiveInt = _data(
        1024,
        "memory for caching decoded images, MiB; larger data sets are decoded again "
        "in each epoch",
        metavar="MIB",
    )

    # The paper starts with 32s; 8s is 4.8 points of mean IoU better (docs/results.md).
    variant: Variant = _network(
        "32s",
        "FCN variant, named after the stride of its finest logits; that of the "
        "bundled network (8s) if no option of the network is given",
        metavar="VARIANT",
    )
    head: Head = _network(
        "vgg",  # the paper's
        "type of fc6 and fc7: vgg has 4096 filters as in the paper (134 M parameters "
        "in total), compact has 512 (17 M)",
    )
    weights: Text = _network(
        "imagenet",
        "weights of VGG16: imagenet (downloaded if missing), none, or an .h5 file",
        metavar="WEIGHTS",
    )
    init_from: Text | None = _network(
        None,
        "start from the network of a run (32s for 16s, 16s for 8s), or from the "
        "bundled network (pretrained); uses its architecture, and re-initializes the "
        "score layers if the classes differ",
        metavar="RUN",
    )
    head_filters: FilterCount | None = _network(
        None, "filters of fc6 and fc7 in the compact head; 512 if not given"
    )
    # 52.3 % mean IoU on CamVid's held-out drive, none 43.4 % (docs/results.md).
    skip_scales: SkipScales = _network(
        "batch-norm",
        "scaling of the pool features before their score layers: batch normalization, "
        "the factors of the paper (0.01 and 0.0001), or none",
    )
    # The best of five methods, by 1.8 points of mean IoU or more (docs/methods.md).
    upsampling: Upsampling = _network("transposed", "upsampling of the logits")
    freeze_upsampling: bool = _network(
        False, "freeze the upsampling kernels at bilinear interpolation"
    )
    # 2: one point of mean IoU more, and a quarter faster than 0 (docs/results.md).
    freeze_blocks: BlockCount | None = _network(
        None,
        "number of VGG16 blocks to freeze, starting with the first, 0 to 5; if not "
        "given, 2, or 0 with weights=none",
    )
    # The paper's; 0.2 instead changed mean IoU by +0.7 and -0.5 (docs/results.md).
    dropout: Share = _network(0.5, "dropout rate after fc6 and fc7", metavar="RATE")
    precision: Precision = _network(
        "auto",
        "compute dtype; auto is bfloat16 if the hardware supports it, float16 with "
        "loss scaling on older GPUs with tensor cores, else float32",
    )

    epochs: PositiveInt = _schedule(30, "passes over the training images")
    patience: PositiveInt | None = _schedule(
        None,
        "stop after this many epochs without a better validation mean IoU; train all "
        "epochs if not given",
    )
    batch_size: PositiveInt = _schedule(4, "images per step")
    # 5e-4, and 1e-4 in VGG16 by `encoder_rate`, gave 3.6 points of mean IoU more than
    # 1e-4 for all layers (docs/results.md).
    learning_rate: PositiveFloat | None = _schedule(
        None,
        "initial learning rate; if not given, 1e-3 for sgd and 1e-4 for adamw, or 5e-4 "
        "for adamw with the compact head and pretrained weights",
        metavar="RATE",
    )
    encoder_rate: Factor | None = _schedule(
        None,
        "learning rate multiplier of VGG16's layers; if not given, 1, or 0.2 for "
        "adamw with the compact head and pretrained weights",
    )
    optimizer: Literal["adamw", "sgd"] = _schedule("adamw", "optimizer")
    momentum: Share = _schedule(0.9, "momentum of sgd", metavar="M")  # the paper's
    weight_decay: NonNegativeFloat = _schedule(
        1e-4, "decoupled weight decay", metavar="DECAY"
    )
    warmup_epochs: NonNegativeFloat = _schedule(
        0.0,
        "epochs of warmup, over which the learning rate increases from 0",
        metavar="N",
    )
    poly_power: NonNegativeFloat = _schedule(  # DeepLab's; the paper's rate is constant
        0.9, "power of the polynomial decay of the learning rate", metavar="POWER"
    )
    loss: LossName = _schedule(
        "ce",
        "loss: ce (cross-entropy), focal, ohem (cross-entropy of the hardest pixels), "
        "dice, tversky, lovasz, or a sum such as ce+dice or ce+0.5*lovasz",
    )
    # Weights gave 0.4 to 3.2 points of mean IoU more than none; stronger ones than the
    # fourth root predict rare classes too often (docs/results.md).
    class_weights: ClassWeights = _schedule(
        "fourth-root-median-frequency",
        "class weights in the losses ce, focal and ohem: a method, by the frequency of "
        "the classes in training labels, or a number for each class",
    )
    seed: Seed = _schedule(0, "random seed")

    # 320x320 at most, as larger crops show more context and take more memory: 256x320
    # gave 1.6 points of mean IoU more than 192x256 (docs/results.md).
    crop: Size | None = _augmentation(
        None,
        "size of the random training crops, pixels; if not given, the image size, at "
        "most 320x320",
    )
    augment: bool = _augmentation(
        True, "augment the training images; if off, they are only cropped"
    )
    flip: bool = _augmentation(True, "flip half of the images horizontally")
    # 0.75 to 2.25 instead lost 3.3 points of mean IoU (docs/results.md).
    scale: Range = _augmentation(
        (0.5, 1.5), "range of the random scale; 1,1 disables it"
    )
    rotation: Degrees = _augmentation(5.0, "maximum rotation, degrees; 0 disables it")
    # Colors: 0.35, 0.4, 0.5 and 0.05 instead lost 1.0 point of mean IoU in one trial
    # and gained 0.1 in another (docs/results.md).
    brightness: Share = _augmentation(
        0.2, "maximum change of brightness, as a fraction of 255; 0 disables it"
    )
    contrast: Share = _augmentation(
        0.2, "maximum relative change of contrast; 0 disables it"
    )
    saturation: Share = _augmentation(
        0.2, "maximum relative change of saturation; 0 disables it"
    )
    hue: HalfTurn = _augmentation(
        0.02, "maximum change of hue, as a fraction of the hue circle; 0 disables it"
    )

    def __post_init__(self) -> None:
        names = {name for _, name in parse_loss(self.loss)}
        if isinstance(self.class_weights, tuple) and names.isdisjoint(PIXELWISE):
            raise ValueError(
                f"`class_weights` are used by the losses {', '.join(PIXELWISE)}. "
                f"Received: loss={self.loss}"
            )


# Fields that select the data; other commands have flags for them too.
FOLDER_FIELDS = (
    "images_dir",
    "labels_dir",
    "label_suffix",
    "label_values",
    "void",
    "val_share",
    "group_by",
    "accept",
    "value_range",
    "max_pixels",
)
DATA_FIELDS = ("dataset", "data_dir", *FOLDER_FIELDS, "num_images", "image_size")
