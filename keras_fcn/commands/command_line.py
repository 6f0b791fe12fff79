"""What the commands share: parsing, logging, and errors as one line with a status."""

import argparse
import errno
import logging
import os
import re
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from keras_fcn.commands.signals import stop_line, stopped_by_signals
from keras_fcn.commands.startup import quick_imports, quiet_start
from keras_fcn.errors import (
    LOST_STATUS,
    PeerLost,
    TrainingStopped,
    did_you_mean,
    one_line,
    printable,
)

_DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
Work = Callable[[argparse.Namespace, set[str]], int]


@dataclass(frozen=True)
class Command:
    """A command: what it is called with, and what it does.

    Attributes:
        description: first lines of `--help`.
        add_arguments: adds the command's flags to a parser.
        work: called with what was parsed, and the names of the arguments that were
            given; returns the exit status.
        check: called before `work` with the same, and before TensorFlow is imported:
            raises ValueError for what can be refused at once.
        usage: first line of `--help`.
        examples: last lines of `--help`.
        needs_backend: tells of what was parsed whether `work` computes with TensorFlow
            or JAX.
    """

    description: str
    add_arguments: Callable[["OneLineParser"], None]
    work: Work
    check: Callable[[argparse.Namespace, set[str]], None] = lambda *_: None
    usage: str = "%(prog)s [options]"
    examples: str = ""
    needs_backend: Callable[[argparse.Namespace], bool] = lambda _: True

    def main(self, argv: Sequence[str] | None = None, prog: str | None = None) -> int:
        """Parse the arguments, do the work and return the exit status.

        Progress goes to standard error by logging, results to standard output.

        Args:
            argv: the arguments; those of the process when None.
            prog: how the command is called; the script's name when None.

        Returns:
            The command's own status; 2 for bad input, 1 for a training that diverged
            or ran out of memory; 130, 143 or 129 when it was stopped by Ctrl-C, SIGTERM
            or SIGHUP. Each of these prints one line.
        """
        argv = list(sys.argv[1:] if argv is None else argv)
        parser = OneLineParser(prog, self.description, self.usage, self.examples)
        self.add_arguments(parser)
        parser.add_argument(
            "--debug", action="store_true", help="show where an error came from"
        )
        arguments, given = parser.parse(argv)
        handler = logging.StreamHandler()
        handler.setFormatter(_LineFormatter(parser))
        logging.basicConfig(handlers=[handler], level=logging.WARNING)
        logging.getLogger("keras_fcn").setLevel(logging.INFO)
        logging.getLogger("absl").setLevel(logging.ERROR)  # TFDS's own progress
        warnings.filterwarnings("ignore", module=r"PIL\.")  # of an image's tags
        try:
            with stopped_by_signals():
                self.check(arguments, given)
                if not self.needs_backend(arguments):
                    return self.work(arguments, given)
                with _own_temporary_folder():
                    _start_backend()
                    return self.work(arguments, given)
        except (Exception, KeyboardInterrupt) as error:
            status = _report(error, parser, arguments)
            if status is None:
                raise
            return status


class OneLineParser(argparse.ArgumentParser):
    """Reports bad arguments as one line and exit status 2, with what was meant."""

    def __init__(self, prog: str | None, description: str, usage: str, examples: str):
        super().__init__(
            prog=prog,
            description=description,
            usage=usage,
            epilog=examples,
            formatter_class=_HelpFormatter,
            allow_abbrev=False,
        )

    def parse(self, argv: Sequence[str]) -> tuple[argparse.Namespace, set[str]]:
        """Return what was parsed, and the names of the arguments that were given.

        Args:
            argv: the arguments after the command's name.
        """
        self._refuse_unknown_flags(argv)
        arguments = self.parse_args(argv)
        not_given = object()
        empty = argparse.Namespace(**dict.fromkeys(vars(arguments), not_given))
        given = vars(self.parse_args(argv, empty))
        return arguments, {name for name in given if given[name] is not not_given}

    def error(self, message):
        message = " ".join(self.with_flags(message).split())
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")

    def with_flags(self, message: str) -> str:
        """Turn the names of arguments in a message into flags.

        Args:
            message: names arguments as the library does, as in `batch_size`, `augment`
                off, or Received: batch_size=0.
        """
        flags = {}
        for action in self._actions:
            if action.option_strings:  # the last one of a switch turns it off
                flags[action.dest] = action.option_strings[0]
                flags[f"{action.dest} off"] = action.option_strings[-1]
        message = re.sub(
            r"`(\w+)`( off)?",
            lambda match: flags.get(match[1] + (match[2] or ""), match[0]),
            message,
        )
        return re.sub(
            r"(?<=Received: )(\w+)=",
            lambda match: f"{flags[match[1]]} " if match[1] in flags else match[0],
            message,
        )

    def _refuse_unknown_flags(self, argv):
        before_names = argv[: argv.index("--")] if "--" in argv else argv
        for argument in before_names:
            flag = argument.partition("=")[0]
            if flag.startswith("--") and flag not in self._option_string_actions:
                nearest = did_you_mean(flag, self._option_string_actions)
                self.error(f"there is no flag {flag}{nearest}")


class _LineFormatter(logging.Formatter):
    """Logged lines name flags, as errors do, and steer no terminal."""

    def __init__(self, parser):
        super().__init__("%(message)s")
        self._parser = parser

    def format(self, record):
        lines = super().format(record).split("\n")
        return self._parser.with_flags("\n".join(map(printable, lines)))


class _HelpFormatter(
    argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter
):
    """Shows a default as it is typed: 360x480, 0.5,2.0."""

    def _get_help_string(self, action):
        has_none = any(
            action.default is nothing for nothing in (None, False, argparse.SUPPRESS)
        )
        # Python 3.10 writes the default of a switch into its help itself.
        if has_none or not action.option_strings or "(default" in action.help:
            return action.help
        return f"{action.help} (default: {format_value(action.dest, action.default)})"


def format_value(name: str, value: object) -> str:
    """Write a value as it is typed on the command line.

    Args:
        name: the argument's name.
        value: its value; the items of a tuple are joined by `x`, those of `scale` by a
            comma.
    """
    if isinstance(value, tuple | list):
        return ("," if name == "scale" else "x").join(map(str, value))
    return str(value)


@contextmanager
def _own_temporary_folder():
    """Let all that is temporary lie in one folder, that is removed when we have died.

    TensorFlow's AutoGraph leaves a file for each function that it translates, and the
    caches of large data sets are there too.
    """
    from keras_fcn.storage.atomic import (  # has NumPy
        TEMPORARY,
        remove_abandoned,
        work_folder,
    )

    before, parent = tempfile.tempdir, Path(tempfile.gettempdir())
    remove_abandoned(parent, TEMPORARY)
    with work_folder(parent, TEMPORARY) as folder:
        tempfile.tempdir = str(folder)
        try:
            yield
        finally:
            tempfile.tempdir = before


def _start_backend():
    """Import TensorFlow and Keras, and look for GPUs, without their own lines."""
    with quiet_start(), quick_imports():
        import tensorflow  # noqa: F401

        from keras_fcn.models.devices import allow_memory_growth, has_accelerator

        allow_memory_growth()
        has_accelerator()


def _report(error, parser, arguments):
    """Print an error as one line; its exit status, or None for a fault of ours."""
    if isinstance(error, KeyboardInterrupt):
        line, status = stop_line(error)
        with suppress(OSError):  # after SIGHUP the terminal may be gone
            print(f"\n{parser.prog}: {line}", file=sys.stderr)
        return status
    if arguments.debug:
        return None
    if isinstance(error, BrokenPipeError):
        # The reader of our output has left; nothing is wrong with the input.
        sys.stdout = open(os.devnull, "w")
        return 1
    if (reason := _reason_of_a_file(error)) is not None:
        message, status = reason, 2
    elif isinstance(error, MemoryError) or _is_out_of_device_memory(error):
        message, status = f"out of memory: {_memory_hint(arguments)}", 1
    elif isinstance(error, FloatingPointError):
        message, status = one_line(error), 1
    elif isinstance(error, TrainingStopped):
        message, status = one_line(error), 128 + signal.SIGTERM
    elif isinstance(error, PeerLost):
        message, status = one_line(error), LOST_STATUS
    elif isinstance(error, ValueError | OSError):
        message, status = one_line(error), 2
    else:
        return None
    print(f"{parser.prog}: error: {parser.with_flags(message)}", file=sys.stderr)
    return status


def _is_out_of_device_memory(error):
    tf = sys.modules.get("tensorflow")
    return tf is not None and isinstance(error, tf.errors.ResourceExhaustedError)


def _reason_of_a_file(error):
    """Why TensorFlow could not read or write a file; None for any other error."""
    tf = sys.modules.get("tensorflow")
    if tf is None or not isinstance(error, tf.errors.OpError):
        return None
    raised = (
        r"^(?:\{\{.*\}\} )?(?:\w*ValueError|\w*NotFoundError|OSError|UnreadableImage)"
    )
    if any(os.strerror(number) in error.message for number in _DISK_IS_FULL):
        return one_line(ValueError(error.message.splitlines()[0]))
    found = re.search(rf"{raised}: (.+)$", error.message, re.MULTILINE)
    return found and found[1]


def _memory_hint(arguments):
    """What this command can do with less memory."""
    hints = {
        "batch_size": "lower --batch-size",
        "crop": "lower --crop",
        "head": "take --head compact",
        "tta": "leave out --tta",
        "images": "make the images smaller",
    }
    return ", or ".join(hint for name, hint in hints.items() if name in arguments)
