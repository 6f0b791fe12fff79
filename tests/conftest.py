"""Set-up of pytest. The shared fixtures are in `tests/support/fixtures.py`."""

import gc
import os
import signal
from collections import Counter

# Otherwise networks would be converted for OpenVINO; tests of that unset it.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")


def pytest_configure(config):
    """Register the shared fixtures, and restore the SIGINT handler.

    With several processes, the first one distributes the tests only. It starts without
    the fixtures, which import TensorFlow.

    Shells start background processes with SIGINT ignored, and children inherit this.
    """
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", 0):
        config.pluginmanager.import_plugin("tests.support.fixtures")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """Run files with slow tests first, so that all processes end at the same time."""
    seconds = Counter()
    for item in items:
        if marker := item.get_closest_marker("slow"):
            seconds[item.path] += marker.kwargs.get("seconds", 5)
    items.sort(key=lambda item: -seconds[item.path])


def pytest_collection_finish():
    """Freeze imported objects, which saves a second per garbage collection."""
    gc.collect()
    gc.freeze()
