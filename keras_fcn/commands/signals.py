"""Signals that end a command as Ctrl-C does: with one line, and nothing left behind."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class Stopped(KeyboardInterrupt):
    """A signal has come that asks the process to end.

    Attributes:
        number: the signal's number.
    """

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Raise `Stopped` in a block when SIGTERM or SIGHUP comes.

    A signal that is ignored, as SIGHUP under `nohup`, and one for which the program has
    a handler of its own stay as they are. So do all in another thread than the first.
    """
    taken = []
    if threading.current_thread() is threading.main_thread():
        taken = [n for n in _SIGNALS if signal.getsignal(n) == signal.SIG_DFL]
    for number in taken:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def stop_line(error: KeyboardInterrupt) -> tuple[str, int]:
    """Say what ended a command, and the exit status that shells give for it.

    Args:
        error: what was raised; Ctrl-C where it is no `Stopped`.
    """
    if not isinstance(error, Stopped):
        return "interrupted", 128 + signal.SIGINT
    name = signal.Signals(error.number).name
    return f"stopped by {name}", 128 + error.number


def _stop(number, _):
    raise Stopped(number)
