"""Running a command: parsing, logging, and errors in one line with an exit status."""

import argparse
import errno
import logging
import os
import re
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from keras_fcn.commands.keras_settings import choose_backend
from keras_fcn.commands.parser import OneLineParser
from keras_fcn.commands.signals import stop_line, stopped_by_signals
from keras_fcn.commands.streams import finish_output, prepare_streams
from keras_fcn.commands.terminal import paint
from keras_fcn.conversion.startup import quick_imports, quiet_start, start_keras
from keras_fcn.errors import (
    LOST_STATUS,
    BatchTooLarge,
    PeerLost,
    TrainingStopped,
    is_out_of_memory,
    one_line,
    printable,
)

# Exit status of a command by the exception that ends it.
_STATUS: dict[type[Exception], int] = {
    ValueError: 2,
    OSError: 2,
    FloatingPointError: 1,
    TrainingStopped: 128 + signal.SIGTERM,
    PeerLost: LOST_STATUS,
}
_DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Command:
    """A command of the command line.

    Attributes:
        description: first lines of the help.
        add_arguments: adds the command's flags to a parser.
        work: called with the arguments, which have the parser as `parser`, and the
            names of those that were given; returns the exit status.
        check: called before `work` with the same arguments, before TensorFlow is
            imported; raises ValueError for bad arguments.
        usage: first line of the help.
        examples: last lines of the help.
        by_position: argument of a flag whose value is accepted without the flag.
        everyday: arguments that `--help` lists; all if empty.
        needs_backend: returns whether `work` computes with TensorFlow or JAX for these
            arguments.
    """

    description: str
    add_arguments: Callable[[OneLineParser], None]
    work: Callable[[argparse.Namespace, set[str]], int]
    check: Callable[[argparse.Namespace, set[str]], None] = lambda *_: None
    usage: str = "%(prog)s [options]"
    examples: str = ""
    by_position: str | None = None
    everyday: tuple[str, ...] = ()
    needs_backend: Callable[[argparse.Namespace], bool] = lambda _: True

    def main(self, argv: Sequence[str] | None = None, prog: str | None = None) -> int:
        """Run the command; logs go to standard error, results to standard output.

        Args:
            argv: the arguments; those of the process if None.
            prog: name of the command; that of the script if None.

        Returns:
            The exit status of `work`; 2 for bad input, 1 for a training that diverged
            or ran out of memory; 130, 143 or 129 after Ctrl-C, SIGTERM or SIGHUP. An
            error prints one line.
        """
        prepare_streams()
        parser = OneLineParser(
            prog, self.description, self.usage, self.examples, self.everyday
        )
        self.add_all_arguments(parser)
        try:
            arguments, given = parser.parse(sys.argv[1:] if argv is None else argv)
        except SystemExit as exit_:  # argparse printed its help, or an error
            parser.exit(finish_output(parser.prog, int(exit_.code or 0)))
        except OSError as error:  # of the help
            return finish_output(parser.prog, 0, error)
        return finish_output(parser.prog, self._run(parser, arguments, given))

    def _run(
        self, parser: OneLineParser, arguments: argparse.Namespace, given: set[str]
    ) -> int:
        arguments.parser = parser
        # Only warnings of other packages; they would hide the lines of a training.
        handler = _LogHandler()
        handler.setFormatter(_LineFormatter(parser))
        logging.basicConfig(handlers=[handler], level=logging.WARNING)
        logging.getLogger("keras_fcn").setLevel(logging.INFO)
        logging.getLogger("absl").setLevel(logging.ERROR)  # TFDS logs each step
        warnings.filterwarnings("ignore", module=r"PIL\.")  # about tags of images
        try:
            with stopped_by_signals():
                self.check(arguments, given)
                if not self.needs_backend(arguments):
                    return self.work(arguments, given)
                with _own_temporary_folder():
                    _start_backend()
                    return self.work(arguments, given)
        except (Exception, KeyboardInterrupt) as error:
            status = _report(error, arguments)
            if status is None:
                raise
            return status

    def add_all_arguments(self, parser: OneLineParser) -> None:
        """Add the arguments of the command and those of all commands."""
        self.add_arguments(parser)
        if self.by_position is not None:
            parser.accept_by_position(self.by_position)
        parser.add_argument(
            "--debug", action="store_true", help="print the traceback of an error"
        )


class _LogHandler(logging.StreamHandler):
    """Writes above a progress bar, which would be torn otherwise."""

    def emit(self, record: logging.LogRecord) -> None:
        progress = sys.modules.get("tqdm")  # without it there is no bar
        if progress is None or not sys.stderr.isatty():
            super().emit(record)
            return
        with progress.tqdm.external_write_mode(file=sys.stderr):
            super().emit(record)


class _LineFormatter(logging.Formatter):
    """Names flags, as errors do, and escapes control characters."""

    def __init__(self, parser: OneLineParser):
        super().__init__("%(message)s")
        self._parser = parser

    def format(self, record: logging.LogRecord) -> str:
        lines = super().format(record).split("\n")
        text = self._parser.with_flags("\n".join(map(printable, lines)))
        if record.levelno < logging.WARNING:
            return text
        return paint(text, "warning", sys.stderr)


@contextmanager
def _own_temporary_folder() -> Iterator[None]:
    """Use a temporary folder that is removed even after the process was killed.

    TensorFlow's AutoGraph leaves a file for each function that it converts, and the
    caches of large data sets are gigabytes.
    """
    from keras_fcn.storage.atomic import (  # imports NumPy
        TEMPORARY,
        remove_abandoned,
        work_folder,
    )

    before, parent = tempfile.tempdir, Path(tempfile.gettempdir())
    remove_abandoned(parent, TEMPORARY)
    with work_folder(parent, TEMPORARY) as folder:
        tempfile.tempdir = str(folder)
        if not _can_write(Path.home() / ".config/matplotlib"):
            # Matplotlib would make a temporary folder, and fail to remove it at exit.
            os.environ.setdefault("MPLCONFIGDIR", str(folder))
        try:
            yield
        finally:
            tempfile.tempdir = before


def _can_write(folder: Path) -> bool:
    """Whether a folder, which may not exist yet, can be written to."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


def _start_backend() -> None:
    """Import TensorFlow and Keras and find GPUs, without their start-up lines."""
    backend = choose_backend()
    with quiet_start(), quick_imports(backend):
        start_keras("tensorflow", backend)  # JAX reads images by tf.data
        if backend == "jax":
            import tensorflow

            # tf.data works on the host; a GPU's memory is JAX's.
            tensorflow.config.set_visible_devices([], "GPU")


def _report(error: BaseException, arguments: argparse.Namespace) -> int | None:
    """Print an error as one line; its exit status, or None for a bug of ours."""
    parser = arguments.parser
    if isinstance(error, KeyboardInterrupt):
        line, status = stop_line(error)
        with suppress(OSError):  # after SIGHUP there may be no terminal
            print(f"\n{parser.prog}: {line}", file=sys.stderr)
        return status
    if arguments.debug:  # Python prints the traceback
        return None
    if isinstance(error, BrokenPipeError):
        # The reader of standard output has ended, as `head` does: not an error.
        sys.stdout = open(os.devnull, "w")
        return 1
    # First, because TensorFlow reports a full disk as exhausted resources.
    if (reason := _reason_of_a_file(error)) is not None:
        message, status = reason, 2
    elif is_out_of_memory(error):
        known_size = isinstance(error, BatchTooLarge)
        hint = one_line(error) if known_size else _memory_hint(arguments)
        message, status = f"out of memory: {hint}", 1
    else:
        known = [number for kind, number in _STATUS.items() if isinstance(error, kind)]
        if not known:
            return None
        message, status = one_line(error), known[0]
    label = paint("error:", "error", sys.stderr)
    with suppress(OSError):  # standard error is full, or its reader has ended
        print(f"{parser.prog}: {label} {parser.with_flags(message)}", file=sys.stderr)
    return status


def _reason_of_a_file(error: BaseException) -> str | None:
    """Why TensorFlow could not read or write a file; None for any other error."""
    tf = sys.modules.get("tensorflow")
    if tf is None or not isinstance(error, tf.errors.OpError):
        return None
    if any(os.strerror(number) in error.message for number in _DISK_IS_FULL):
        return one_line(ValueError(error.message.splitlines()[0]))
    # Errors of Python functions in tf.data are text in the message of the operation.
    raised = (
        r"^(?:\{\{.*\}\} )?(?:\w*ValueError|\w*NotFoundError|OSError|UnreadableImage)"
    )
    found = re.search(rf"{raised}: (.+)$", error.message, re.MULTILINE)
    return found and found[1]


def _memory_hint(arguments: argparse.Namespace) -> str:
    hints = {
        "batch_size": "lower --batch-size",
        "crop": "lower --crop",
        "head": "use --head compact",
        "tta": "leave out --tta",
        "images": "use smaller images",
    }
    return ", or ".join(hint for name, hint in hints.items() if name in arguments)
