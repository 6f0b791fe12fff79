"""The import of Keras on its backend, without the lines that TensorFlow prints."""

import faulthandler
import gc
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

_STARTUP_LINE = re.compile(
    r"WARNING: All log messages before absl::InitializeLog"
    r"|[IWE]\d{4} \d\d:\d\d:\d\d"  # absl's prefix, as in I0000 00:00:1795339103.46
    r"|\d{4}-\d\d-\d\d .*: [IWE] (tensorflow|external)/"
    r"|To enable the following instructions: "
)
# Keras can use them; no command does so through Keras.
_NOT_FOR_KERAS = ("IPython", "matplotlib", "pandas", "sklearn")
# TensorFlow imports them for APIs that are not used here; JAX needs both.
_NOT_FOR_TENSORFLOW = ("jax", "scipy")
_starting = threading.Lock()


def start_keras(*before: str) -> bool:
    """Import Keras on its backend and find GPUs, without their start-up lines.

    Args:
        before: modules that are imported first.

    Returns:
        Whether the backend computes on anything but the CPU.

    Raises:
        ValueError: if a package can't be imported.
    """
    # Two threads must not redirect standard error at the same time.
    with _starting, quiet_start():
        try:
            for name in before:
                import_module(name)
            from keras_fcn.models.devices import allow_memory_growth, has_accelerator
        except ImportError as error:
            backend = os.environ.get("KERAS_BACKEND", "tensorflow")
            raise ValueError(
                f"KERAS_BACKEND={backend} requires a package that can't be imported: "
                f"{error}"
            ) from error
        allow_memory_growth()
        return has_accelerator()


@contextmanager
def quiet_start() -> Iterator[None]:
    """Drop TensorFlow's informational lines from standard error in a block.

    C++ writes them before any setting of Python is read, so the file descriptor is
    redirected to a temporary file. Other lines are printed at the end of the block,
    and all lines if it raises an exception. If C++ ends the process in the block,
    Python's traceback is printed instead. TF_CPP_MIN_LOG_LEVEL becomes 2 (errors are
    printed), if it is not set. Nothing changes if standard error is closed.
    """
    if sys.stderr is None:
        yield
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    terminal = os.dup(2)
    was_enabled = faulthandler.is_enabled()
    if not was_enabled:
        faulthandler.enable(terminal)
    shows_all = True
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        try:
            yield
            shows_all = False
        except KeyboardInterrupt:
            shows_all = False
            raise
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            if not was_enabled:
                faulthandler.disable()
            os.close(terminal)
            held_back.seek(0)
            for line in held_back.read().decode(errors="replace").splitlines(True):
                if shows_all or not _STARTUP_LINE.match(line):
                    sys.stderr.write(line)
            sys.stderr.flush()


@contextmanager
def quick_imports(backend: str | None = None) -> Iterator[None]:
    """Import TensorFlow and Keras in half the time.

    Nothing changes if TensorFlow has been imported before.

    Args:
        backend: of Keras. If it is "tensorflow", JAX and SciPy are not imported either.
    """
    if "tensorflow" in sys.modules:
        yield
        return
    # CPU time of the start on two cores of an EPYC, median of 5 runs: 5.3 s; 3.7 s
    # without the packages that Keras imports if they are installed; 3.3 s without
    # garbage collection, which visits half a million objects; 2.3 s without both. On
    # a slower EPYC 3.6 s without both, and 2.7 s without JAX and SciPy as well.
    names = _NOT_FOR_KERAS + (_NOT_FOR_TENSORFLOW if backend == "tensorflow" else ())
    hidden = [name for name in names if name not in sys.modules]
    modules: dict[str, Any] = sys.modules
    modules.update(dict.fromkeys(hidden))  # importing None fails
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        for name in hidden:
            del modules[name]
        gc.freeze()
        if was_enabled:
            gc.enable()
