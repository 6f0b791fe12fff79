"""Show a page in the browser: a picture is dropped, its classes are shown.

The page is served to this machine alone, and loads nothing from elsewhere.
"""

import argparse
import importlib.util
import socket

from keras_fcn.commands.command_line import Command, OneLineParser
from keras_fcn.commands.flags import add_model_argument, number_parser
from keras_fcn.config import Number

_EXAMPLES = """examples:
  %(prog)s
  %(prog)s --model runs/camvid-8s --port 8000
"""


def add_arguments(parser: OneLineParser) -> None:
    """Add the flags of the command.

    Args:
        parser: gets them.
    """
    add_model_argument(parser)
    port = Number(int, lambda value: 1 <= value <= 65535, "a port, 1 to 65535")
    parser.add_argument(
        "--port",
        type=number_parser(port),
        default=7860,
        metavar="N",
        help="port of 127.0.0.1 on which the page is served",
    )


def check(arguments: argparse.Namespace, given: set[str]) -> None:
    """Refuse to begin without the package that the page is made with, or a port.

    Args:
        arguments: what was parsed.
        given: names of the flags that were given.
    """
    if importlib.util.find_spec("gradio") is None:
        raise ValueError(
            'The page needs a package that is not installed: pip install ".[demo]", '
            "from Python 3.11 on"
        )
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", arguments.port))
        except OSError as error:
            raise OSError(
                f"`port` must be one that is free. Received: port={arguments.port} "
                f"({error.strerror})"
            ) from error


def work(arguments: argparse.Namespace, given: set[str]) -> int:
    """Serve the page until Ctrl-C.

    Args:
        arguments: what was parsed.
        given: names of the flags that were given.
    """
    from keras_fcn.demo.page import serve
    from keras_fcn.prediction.segmenter import load

    segmenter = load(arguments.model)
    try:
        serve(segmenter, arguments.model, arguments.port)
    except KeyboardInterrupt:
        print("\nThe page has ended.")
    return 0


main = Command(__doc__, add_arguments, work, check, examples=_EXAMPLES).main
