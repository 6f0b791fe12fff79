"""The console command `keras-fcn`: all commands under one name."""

import importlib
import sys

from keras_fcn.errors import did_you_mean
from keras_fcn.version import __version__

_COMMANDS = {
    "train": "train a network, or go on with a training",
    "evaluate": "score a network on a split",
    "calibrate": "fit how far a network's probabilities can be believed",
    "predict": "segment images and films",
    "demo": "show a page in the browser, for a picture or a film",
    "export": "write a network for a server or another runtime",
    "inspect": "look at a folder of images and labels before a training",
    "pack": "make of a run what can be passed on",
    "curves": "draw the learning curves of runs",
    "samples": "show how a prediction sharpens",
}
_HELP = "\n".join(
    [
        "usage: keras-fcn COMMAND [options]",
        "",
        "Fully convolutional networks for semantic segmentation.",
        "",
        *(f"  {name:<12}{help}" for name, help in _COMMANDS.items()),
        "",
        "keras-fcn COMMAND --help tells more; keras-fcn --version the version.",
    ]
)


def main(argv: list[str] | None = None) -> int:
    """Run the command that the first argument names.

    Args:
        argv: the arguments; those of the process when None.

    Returns:
        The exit status: the command's own, or 2 where there is none of the name.
    """
    name, *rest = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    if name in ("--help", "-h"):
        print(_HELP)
        return 0
    if name == "--version":
        print(f"keras-fcn {__version__}")
        return 0
    if name not in _COMMANDS:
        print(
            f"keras-fcn: error: there is no command {name}"
            f"{did_you_mean(name, _COMMANDS)} (see keras-fcn --help)",
            file=sys.stderr,
        )
        return 2
    module = importlib.import_module(f"keras_fcn.commands.{name.replace('-', '_')}")
    return module.main(rest, prog=f"keras-fcn {name}")
