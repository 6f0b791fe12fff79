"""SIGTERM in a training: the machine is about to be taken away."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def stop_requested() -> Iterator[Callable[[], bool]]:
    """Note SIGTERM in a block, so that a step can be finished and its state written.

    A second one does what it did before. In another thread than the main one, where
    Python has no signals, nothing is noted.

    Returns:
        A function that tells whether it has come.
    """
    has_come = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield has_come.is_set
        return

    def note(number, frame):
        has_come.set()
        signal.signal(signal.SIGTERM, before)

    before = signal.signal(signal.SIGTERM, note)
    try:
        yield has_come.is_set
    finally:
        signal.signal(signal.SIGTERM, before)
