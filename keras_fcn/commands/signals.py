"""SIGTERM and SIGHUP end a command like Ctrl-C: with one line, after cleaning up."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# From Ctrl-C; from `kill`, Slurm and Kubernetes; from a closed terminal.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


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

    The signal is repeated after a second if its exception, or the KeyboardInterrupt of
    Ctrl-C, was lost: Python discards exceptions in callbacks of the garbage collector,
    and TensorFlow's C++ clears those of Python functions that it calls.

    Nothing changes for a signal that is ignored, such as SIGHUP under `nohup`, or that
    the program handles itself, nor in any thread but the main one.
    """
    # Python allows only the main thread to set handlers.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    defaults = (signal.SIG_DFL, signal.default_int_handler)
    handled = [number for number in _SIGNALS if before[number] in defaults]
    main_thread = threading.get_ident()
    repetition = threading.Timer(0, lambda: None)

    def stop(number: int, _: FrameType | None) -> None:
        nonlocal repetition
        repetition.cancel()
        repetition = threading.Timer(1, repeat_if_lost, [number])
        repetition.daemon = True
        repetition.start()
        raise KeyboardInterrupt if number == signal.SIGINT else Stopped(number)

    def repeat_if_lost(number: int) -> None:
        if not _is_being_handled(main_thread):
            signal.pthread_kill(main_thread, number)

    for number in handled:
        signal.signal(number, stop)
    try:
        yield
    finally:
        repetition.cancel()
        for number in handled:
            signal.signal(number, before[number])


def _is_being_handled(thread: int) -> bool:
    """Whether a thread is in an `except` or `finally` of a KeyboardInterrupt."""
    active = sys._current_exceptions().get(thread)
    error = active[1] if isinstance(active, tuple) else active  # Python 3.10, 3.11
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def stop_line(error: KeyboardInterrupt) -> tuple[str, int]:
    """Return the message for an interruption, and the exit status that shells use.

    Args:
        error: `Stopped`, or any other KeyboardInterrupt for Ctrl-C.
    """
    if not isinstance(error, Stopped):
        return "interrupted", 128 + signal.SIGINT
    name = signal.Signals(error.number).name
    return f"stopped by {name}", 128 + error.number
