"""Serve a web page that labels an uploaded image or video.

The page is reachable from this machine only, and loads nothing from other servers.
"""

import argparse
import importlib.util
import socket
from dataclasses import asdict
from typing import Annotated

from pydantic import Field

from keras_fcn.commands.command_line import Command
from keras_fcn.commands.flags import add_flag, add_model_argument
from keras_fcn.commands.inference_flags import (
    add_runtime_arguments,
    runtime_options,
    select_runtime_of,
)
from keras_fcn.options import Kind

_Port = Annotated[int, Field(ge=1, le=65535), Kind("a port, 1 to 65535", "PORT")]
_EXAMPLES = """examples:
  %(prog)s
  %(prog)s runs/camvid-8s --port 8000
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    add_model_argument(parser)
    add_flag(parser, "--port", _Port, "port of the page on 127.0.0.1", 7860)
    add_runtime_arguments(parser)


def check(arguments: argparse.Namespace, given: set[str]) -> None:
    """Check that Gradio is installed and the port is free."""
    arguments.runtime_options = runtime_options(arguments, given)
    if importlib.util.find_spec("gradio") is None:
        raise ValueError(
            'The page needs Gradio, which is not installed: pip install ".[demo]" '
            "(Python 3.11 or later)"
        )
    with socket.socket() as trial:
        # Otherwise a port stays in use for a minute after its server has ended.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", arguments.port))
        except OSError as error:
            raise OSError(
                f"`port` must be a free port. Received: port={arguments.port} "
                f"({error.strerror})"
            ) from error


def work(arguments: argparse.Namespace, given: set[str]) -> int:
    """Serve the page until Ctrl-C."""
    from keras_fcn.demo.page import serve
    from keras_fcn.prediction.segmenter import load

    segmenter = load(arguments.model, **asdict(arguments.runtime_options))
    try:
        serve(segmenter, arguments.model, arguments.port)
    except KeyboardInterrupt:  # the usual end of the page, not an error
        print("\nStopped serving the page.")
    return 0


main = Command(
    __doc__,
    add_arguments,
    work,
    check,
    "%(prog)s [RUN|NAME] [options]",
    _EXAMPLES,
    by_position="model",
    needs_backend=lambda arguments: select_runtime_of(arguments).needs_keras,
).main
