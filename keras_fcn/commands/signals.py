"""SIGTERM and SIGHUP end a command like Ctrl-C: with one line, after cleaning up."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# SIGTERM comes from `kill`, Slurm and Kubernetes, SIGHUP from a closed terminal.
_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class Stopped(KeyboardInterrupt):
    """The process was asked to end by a signal.

    Attributes:
        number: the signal's number.
    """

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Raise `Stopped` in a block when SIGTERM or SIGHUP arrives.

    Python discards exceptions in callbacks of the garbage collector (JAX has one) and
    in `__del__`. A `Stopped` or KeyboardInterrupt there is raised again after 0.1 s.

    Nothing changes for a signal that is ignored, such as SIGHUP under `nohup`, or that
    the program handles itself, nor in any thread but the main one.
    """
    # Python allows only the main thread to set handlers.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handled = [n for n in _SIGNALS if signal.getsignal(n) == signal.SIG_DFL]
    for number in handled:
        signal.signal(number, _stop)
    before, main_thread = sys.unraisablehook, threading.get_ident()
    repetition: threading.Timer | None = None

    def raise_again(discarded) -> None:
        nonlocal repetition
        if not issubclass(discarded.exc_type, KeyboardInterrupt):
            before(discarded)
            return
        number = getattr(discarded.exc_value, "number", signal.SIGINT)
        # Not at once: it would be raised in this hook, and discarded again.
        repetition = threading.Timer(0.1, signal.pthread_kill, [main_thread, number])
        repetition.start()

    sys.unraisablehook = raise_again
    try:
        yield
    finally:
        if repetition is not None:
            repetition.cancel()
        sys.unraisablehook = before
        for number in handled:
            signal.signal(number, signal.SIG_DFL)


def stop_line(error: KeyboardInterrupt) -> tuple[str, int]:
    """Return the message for an interruption, and the exit status that shells use.

    Args:
        error: `Stopped`, or any other KeyboardInterrupt for Ctrl-C.
    """
    if not isinstance(error, Stopped):
        return "interrupted", 128 + signal.SIGINT
    name = signal.Signals(error.number).name
    return f"stopped by {name}", 128 + error.number


def _stop(number: int, _: FrameType | None) -> None:
    raise Stopped(number)
