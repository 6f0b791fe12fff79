"""Standard streams that are closed, full, or not UTF-8."""

import os
import sys


def prepare_streams() -> None:
    """Make standard output and error usable, whatever the process was started with.

    Closed ones, as of a daemon, are opened on the null device: otherwise the next file
    that is opened gets their number, and C++ writes its messages into it. Characters
    that the encoding of a stream lacks are escaped.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
        if getattr(sys, name) is None:  # Python found it closed
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(number, mode, closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not the streams of a notebook
            stream.reconfigure(errors="backslashreplace")


def finish_output(prog: str, status: int, error: OSError | None = None) -> int:
    """Write what is left of standard output, and return the exit status.

    Args:
        prog: name of the command, for the error message.
        status: exit status of the command.
        error: raised when something was printed before; None for no error.

    Returns:
        `status`; 1 if the reader of standard output has ended, as `head` does; 2 after
        a message if it can't be written otherwise.
    """
    try:
        sys.stdout.flush()
    except OSError as caught:
        error = caught
    if error is None:
        return status
    sys.stdout = open(os.devnull, "w")  # Python would try again at its exit
    if isinstance(error, BrokenPipeError):
        return status or 1
    if status == 0:  # otherwise the error has been printed
        line = f"standard output can't be written ({error.strerror})"
        print(f"{prog}: error: {line}", file=sys.stderr)
    return status or 2
