"""The console command `keras-fcn`: runs the command that its first argument names."""

import importlib
import sys

from keras_fcn.commands.streams import finish_output, prepare_streams
from keras_fcn.errors import did_you_mean
from keras_fcn.version import __version__

# Not read from the modules of the commands: importing all takes too long for a help.
COMMANDS = {
    "train": "train a network, or resume an interrupted run",
    "evaluate": "compute the scores of a network on a split of a data set",
    "calibrate": "fit the temperature of a network's probabilities",
    "predict": "predict label maps of images and videos",
    "demo": "serve a web page that labels images and videos",
    "export": "export a network for TensorFlow Serving, ONNX, LiteRT or OpenVINO",
    "inspect": "check a folder of images and labels before training",
    "pack": "pack the network of a run into a small folder to share",
    "curves": "plot the learning curves of runs",
    "samples": "show how the prediction of a sample changes over the epochs",
    "completion": "print a script that completes commands and options in a shell",
}
_HELP = "\n".join(
    [
        "usage: keras-fcn COMMAND [options]",
        "",
        "Semantic segmentation with fully convolutional networks (FCN) in Keras.",
        "",
        "commands:",
        *(f"  {name:<12}{help}" for name, help in COMMANDS.items()),
        "",
        "options:",
        "  -h, --help  print this help; keras-fcn COMMAND --help lists the options of",
        "              a command",
        "  --version   print the version",
        "",
        "example:",
        "  keras-fcn predict street.jpg",
    ]
)


def main(argv: list[str] | None = None) -> int:
    """Run the command that the first argument names.

    Args:
        argv: the arguments; those of the process if None.

    Returns:
        The exit status of the command, or 2 if there is no such command.
    """
    prepare_streams()
    name, *rest = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    if name in ("--help", "-h", "help"):
        return _print(_HELP)
    if name == "--version":
        return _print(f"keras-fcn {__version__}")
    if name not in COMMANDS:
        print(
            f"keras-fcn: error: there is no command {name}"
            f"{did_you_mean(name, COMMANDS)} (see keras-fcn --help)",
            file=sys.stderr,
        )
        return 2
    # Only the module of this command, for a quick start.
    module = importlib.import_module(f"keras_fcn.commands.{name}")
    return module.main(rest, prog=f"keras-fcn {name}")


def _print(text: str) -> int:
    try:
        print(text)
    except OSError as error:
        return finish_output("keras-fcn", 0, error)
    return finish_output("keras-fcn", 0)
