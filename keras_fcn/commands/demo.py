"""Serve a web page that labels an uploaded image or video.

The page is reachable from this machine only, unless --host is given, and loads nothing
from other servers.
"""

import argparse
import importlib.util
import logging
import socket
import threading
from dataclasses import asdict
from pathlib import Path
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
logger = logging.getLogger(__name__)

_EXAMPLES = """examples:
  %(prog)s
  %(prog)s runs/camvid-8s --port 8000
  %(prog)s --host 0.0.0.0 --auth users.txt
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    add_model_argument(parser)
    add_flag(parser, "--port", _Port, "port of the page", 7860)
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address of this machine on which to serve the page; 0.0.0.0 for all, "
        "such as in a Docker container",
    )
    parser.add_argument(
        "--auth",
        type=Path,
        metavar="FILE",
        help="text file with lines USER:PASSWORD; the page then requires a login",
    )
    add_runtime_arguments(parser)


def check(arguments: argparse.Namespace, given: set[str]) -> None:
    """Check that Gradio is installed and the port is free."""
    arguments.runtime_options = runtime_options(arguments, given)
    if importlib.util.find_spec("gradio") is None:
        raise ValueError(
            'The page needs Gradio, which is not installed: pip install ".[demo]" '
            "(Python 3.11 or later)"
        )
    arguments.users = None
    if arguments.auth is not None:
        arguments.users = _read_users(arguments.auth)
    elif arguments.host != "127.0.0.1":
        logger.warning(
            "Everyone who can reach %s can use the page. `auth` FILE requires a login; "
            "neither is encrypted",
            arguments.host,
        )
    with socket.socket() as trial:
        # Otherwise a port stays in use for a minute after its server has ended.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((arguments.host, arguments.port))
        except OSError as error:
            raise OSError(
                f"`port` must be a free port of `host` {arguments.host}. Received: "
                f"port={arguments.port} ({error.strerror})"
            ) from error


def _read_users(path: Path) -> list[tuple[str, str]]:
    """Return names and passwords of a file."""
    users = []
    try:  # Windows' Notepad writes a byte order mark
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} must be UTF-8 text: {error}") from error
    for number, line in enumerate(text.splitlines(), 1):
        name, separator, password = line.partition(":")
        if line.strip() and not (name and separator and password):
            raise ValueError(f"{path}, line {number}: expected USER:PASSWORD")
        if line.strip():
            users.append((name, password))
    if not users:
        raise ValueError(f"{path}: expected lines USER:PASSWORD, got an empty file")
    return users


def work(arguments: argparse.Namespace, given: set[str]) -> int:
    """Serve the page until Ctrl-C."""
    from keras_fcn.demo.page import serving
    from keras_fcn.prediction.segmenter import load

    segmenter = load(arguments.model, **asdict(arguments.runtime_options))
    try:
        with serving(
            segmenter, arguments.model, arguments.port, arguments.host, arguments.users
        ) as url:
            print(f"The page: {url} (stop with Ctrl-C)", flush=True)
            threading.Event().wait()
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
