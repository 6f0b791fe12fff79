"""Every default of a training, once; the command line is made from it."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields

Size = tuple[int, int]  # height and width, pixels

VARIANTS = ("32s", "16s", "8s")
HEADS = ("vgg", "compact")
SKIP_SCALES = ("none", "paper", "batch-norm")
UPSAMPLING = ("transposed", "bilinear", "nearest", "bed-of-nails", "max-unpooling")
DENSE = ("upsampling", "shift-and-stitch")
PARTITIONS = (
    "published",
    "train+val",
    "without-0001TP",
    "without-0006R0",
    "without-0016E5",
)
CLASS_WEIGHTS = (
    "none",
    "median-frequency",
    "sqrt-median-frequency",
    "fourth-root-median-frequency",
)


def parse_size(text: str) -> Size:
    """Read `HEIGHTxWIDTH`, as in `360x480`.

    Args:
        text: two whole numbers from 1 on, pixels, joined by `x` or `X`.

    Raises:
        argparse.ArgumentTypeError: if it is not two numbers from 1 on.
    """
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal() and int(height) and int(width)):
        raise argparse.ArgumentTypeError(
            f"needed HEIGHTxWIDTH in pixels, as in 360x480. Received: {text}"
        )
    return int(height), int(width)


def parse_scale(text: str) -> tuple[float, float]:
    """Read `LEAST,MOST`, two factors above 0.

    Args:
        text: two numbers joined by a comma, the second not below the first.

    Raises:
        argparse.ArgumentTypeError: if it is anything else.
    """
    try:
        least, most = (float(part) for part in text.split(","))
    except ValueError:
        least, most = 0.0, 0.0
    if not 0 < least <= most < float("inf"):
        raise argparse.ArgumentTypeError(
            f"needed LEAST,MOST above 0, as in 0.5,2. Received: {text}"
        )
    return least, most


def number_parser(
    convert: Callable[[str], float], condition: Callable[[float], bool], needed: str
) -> Callable[[str], float]:
    """Return a parser of numbers for argparse that says what it needed.

    Args:
        convert: int or float.
        condition: whether a number is accepted.
        needed: what is accepted, as in "a number above 0".

    Returns:
        Function from a flag's text to the number; it raises
        argparse.ArgumentTypeError for any other text.
    """

    def parse(text):
        try:
            value = convert(text)
        except ValueError:
            value = None
        if value is None or not condition(value):
            raise argparse.ArgumentTypeError(f"needed {needed}. Received: {text}")
        return value

    return parse


_finite = float("inf")
positive_int = number_parser(int, lambda value: value >= 1, "a whole number from 1 on")
_any_int = number_parser(
    int, lambda value: 0 <= value < 2**31, "a whole number from 0 to 2147483647"
)
_positive = number_parser(float, lambda value: 0 < value < _finite, "a number above 0")
_not_negative = number_parser(float, lambda value: 0 <= value < _finite, "0 or more")
_share = number_parser(
    float, lambda value: 0 <= value < 1, "a number from 0 to below 1"
)
_factor = number_parser(
    float, lambda value: 0 < value <= 1, "a number above 0, at most 1"
)
_blocks = number_parser(
    int, lambda value: 0 <= value <= 5, "a whole number from 0 to 5"
)
_hue = number_parser(float, lambda value: 0 <= value <= 0.5, "a number from 0 to 0.5")
_degrees = number_parser(
    float, lambda value: 0 <= value <= 180, "degrees from 0 to 180"
)


def _option(default, help_text, parse=str, choices=None, metavar=None):
    """A field of the configuration that is also a flag of train.py."""
    metadata = {
        "help": help_text,
        "parse": parse,
        "choices": choices,
        "metavar": metavar,
    }
    return field(default=default, metadata=metadata)


def _switch(default, help_text):
    return field(default=default, metadata={"help": help_text, "parse": None})


@dataclass(frozen=True)
class TrainingConfig:
    """What a training depends on besides the data; written to `config.json`."""

    variant: str = _option("32s", "stride of the finest scores", choices=VARIANTS)
    dataset: str = _option(
        "camvid", "data set", choices=("camvid", "camvid32", "streets", "folder")
    )
    data_dir: str | None = _option(
        None,
        "folder with the data: CamVid's train/ trainannot/ ..., camvid32's train/ "
        "train_labels/ ..., or your images/ labels/; without it camvid is downloaded",
        metavar="DIR",
    )
    classes: int = _option(
        32,
        "classes of camvid32: 32 (31 and void), or the 11 they are merged into",
        int,
        choices=(11, 32),
    )
    void_as_class: bool = _switch(False, "count Void of camvid32 as a class, the 32nd")
    num_images: int = _option(
        400,
        "training images of streets; val and test have a quarter of it",
        positive_int,
        metavar="N",
    )
    image_size: Size = _option(
        (360, 480), "size of the images of streets, pixels", parse_size, metavar="HxW"
    )
    partition: str = _option(
        "published",
        "training images: the published ones; those of validation too (train+val); or "
        "those of both that are of other drives of CamVid, with the drive named for "
        "validation",
        choices=PARTITIONS,
    )
    head: str = _option(
        "vgg",
        "fc6 and fc7: the paper's with 4096 filters (134 M parameters), or a compact "
        "one with 512 (17 M)",
        choices=HEADS,
    )
    head_filters: int | None = _option(
        None,
        "filters of fc6 and fc7 of the compact head; 512 when not given",
        positive_int,
    )
    weights: str = _option(
        "imagenet",
        "VGG16's weights: imagenet (downloaded when missing), none, or an .h5 file",
        metavar="imagenet|none|PATH",
    )
    init_from: str | None = _option(
        None,
        "network to start from, a run (32s for 16s, 16s for 8s) or pretrained for the "
        "one that comes with the project; variant, head and skip scales are its own "
        "when not given, and scores of other classes start anew",
        metavar="RUN|pretrained",
    )
    skip_scales: str = _option(
        "none",
        "what brings the pools to the size of fc7 before they are scored: batch "
        "normalisation, the paper's factors 0.01 and 0.0001, or nothing",
        choices=SKIP_SCALES,
    )
    upsampling: str = _option(
        "transposed",
        "how scores are enlarged: by transposed convolution, interpolation, or values "
        "among zeros and a convolution",
        choices=UPSAMPLING,
    )
    freeze_upsampling: bool = _switch(False, "keep the upsampling kernels bilinear")
    freeze_blocks: int = _option(
        0, "VGG16's first blocks that keep their weights, 0 to 5", _blocks
    )
    dropout: float = _option(0.5, "rate of dropout after fc6 and fc7", _share)
    epochs: int = _option(30, "passes over the training images", positive_int)
    batch_size: int = _option(4, "images in a step", positive_int)
    crop: Size | None = _option(
        None,
        "size of the training crops, pixels; the images' own, at most 320x320, when "
        "not given",
        parse_size,
        metavar="HxW",
    )
    optimizer: str = _option("adamw", "optimizer", choices=("adamw", "sgd"))
    learning_rate: float | None = _option(
        None,
        "learning rate at the start; 1e-4 for adamw and 1e-3 for sgd when not given",
        _positive,
    )
    encoder_rate: float = _option(
        1.0,
        "factor of the learning rate of VGG16's layers; not of their weight decay",
        _factor,
    )
    momentum: float = _option(0.9, "momentum of sgd", _share)
    weight_decay: float = _option(1e-4, "decoupled weight decay", _not_negative)
    warmup_epochs: float = _option(
        0.0, "epochs over which the learning rate rises from 0", _not_negative
    )
    poly_power: float = _option(
        0.9, "power of the polynomial decay of the learning rate", _not_negative
    )
    class_weights: str = _option(
        "none",
        "weights of the classes in the loss, from the training labels",
        choices=CLASS_WEIGHTS,
    )
    label_smoothing: float = _option(
        0.0, "share of the target that is spread over all classes", _share
    )
    hard_pixels: float = _option(
        1.0,
        "share of a batch's pixels, those of the highest loss, that are learned from",
        _factor,
    )
    precision: str = _option(
        "auto",
        "arithmetic of the network; auto is bfloat16 where the hardware has it",
        choices=("auto", "float32", "bfloat16"),
    )
    augment: bool = _switch(True, "augment the training images; off leaves the crop")
    flip: bool = _switch(True, "mirror half of the images")
    scale: tuple[float, float] = _option(
        (0.5, 2.0),
        "least and greatest enlargement; 1,1 is off",
        parse_scale,
        metavar="LEAST,MOST",
    )
    rotation: float = _option(5.0, "greatest rotation, degrees; 0 is off", _degrees)
    brightness: float = _option(
        0.2, "greatest change of brightness, share of 255; 0 is off", _share
    )
    contrast: float = _option(
        0.2, "greatest change of contrast, share; 0 is off", _share
    )
    saturation: float = _option(
        0.2, "greatest change of saturation, share; 0 is off", _share
    )
    hue: float = _option(
        0.02, "greatest change of hue, share of a turn; 0 is off", _hue
    )
    seed: int = _option(
        0, "from which all draws of the training follow", _any_int, metavar="N"
    )
    num_samples: int = _option(
        4, "validation images drawn with their prediction each epoch", positive_int
    )
    samples_every: int = _option(
        1, "epochs between two pictures of them", positive_int, metavar="N"
    )
    cache_budget: int = _option(
        4096, "memory for decoded images, MiB; beyond it a file is used", positive_int
    )

    @classmethod
    def from_json(cls, values: dict) -> "TrainingConfig":
        """Read what `asdict` and JSON made of a configuration.

        Args:
            values: value by name of the field; lists become tuples, and a field that is
                missing gets its default.

        Raises:
            TypeError: if a name is no field.
        """
        return cls(
            **{
                name: tuple(value) if isinstance(value, list) else value
                for name, value in values.items()
            }
        )


# The fields that say which data; evaluate.py has flags for them too.
DATA_FIELDS = (
    "dataset",
    "data_dir",
    "classes",
    "void_as_class",
    "num_images",
    "image_size",
)


class OneLineParser(argparse.ArgumentParser):
    """Reports bad arguments as one line and exit status 2, without the usage."""

    def error(self, message):
        message = " ".join(message.split())
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


class _HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows a default as it is typed: 360x480, 0.5,2.0."""

    def _get_help_string(self, action):
        has_none = action.default in (None, argparse.SUPPRESS)
        # Python 3.10 writes the default of a switch into its help itself.
        if has_none or not action.option_strings or "(default" in action.help:
            return action.help
        return f"{action.help} (default: {format_value(action.dest, action.default)})"


def format_value(name: str, value: object) -> str:
    """Write a value of the configuration as it is typed on the command line.

    Args:
        name: the field's name.
        value: its value; the items of a tuple are joined by `x`, those of `scale` by a
            comma.
    """
    if isinstance(value, tuple | list):
        return ("," if name == "scale" else "x").join(map(str, value))
    return str(value)


def make_parser(description: str) -> OneLineParser:
    """Return a parser in the project's form.

    Args:
        description: what the command does; stands above the flags in its help.
    """
    return OneLineParser(description=description, formatter_class=_HelpFormatter)


def add_config_arguments(
    parser: argparse.ArgumentParser,
    names: tuple[str, ...] | None = None,
    show_defaults: bool = True,
) -> None:
    """Add a flag for each field of `TrainingConfig`, or for those named.

    Args:
        parser: gets the flags.
        names: fields; None for all.
        show_defaults: give the flags the fields' defaults; otherwise None.
    """
    for option in fields(TrainingConfig):
        if names is not None and option.name not in names:
            continue
        flag = "--" + option.name.replace("_", "-")
        keywords = {
            "default": option.default if show_defaults else None,
            "help": option.metadata["help"],
        }
        if option.metadata["parse"] is None:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, **keywords)
            continue
        parser.add_argument(
            flag,
            type=option.metadata["parse"],
            choices=option.metadata["choices"],
            metavar=option.metadata["metavar"],
            **keywords,
        )


def given_arguments(
    parser: argparse.ArgumentParser, argv: Sequence[str] | None
) -> set[str]:
    """Return the names of the arguments that stand on the command line.

    Args:
        parser: the command's parser.
        argv: the arguments after the command's name; None for those of the process.
    """
    not_given = object()
    names = vars(parser.parse_args(argv))
    given = parser.parse_args(
        argv, argparse.Namespace(**dict.fromkeys(names, not_given))
    )
    return {name for name, value in vars(given).items() if value is not not_given}
