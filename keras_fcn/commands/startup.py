"""TensorFlow's start: quick, and without the lines that it prints unless it fails.

They are written by C++ before any setting of Python is read, so standard error is
turned aside during the start. What comes there goes through another process, which
outlives a crash and then tells all.
"""

import gc
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_STARTUP_LINE = re.compile(
    r"WARNING: All log messages before absl::InitializeLog"
    r"|[IWE]\d{4} \d\d:\d\d:\d\d"  # absl's prefix, as in I0000 00:00:1795339103.46
    r"|\d{4}-\d\d-\d\d .*: [IWE] (tensorflow|external)/"
    r"|To enable the following instructions: "
)
_DONE = "\0done\n"  # the last line of a start that did not fail
# What Keras imports where it is installed, and no command uses through Keras.
_NOT_FOR_KERAS = ("IPython", "matplotlib", "pandas", "sklearn")


@contextmanager
def quiet_start() -> Iterator[None]:
    """Drop TensorFlow's informational lines from standard error during a block.

    All other lines are printed. Where the block fails, or the process dies in it, the
    lines that were held back are printed too. Where the variable is not set,
    TF_CPP_MIN_LOG_LEVEL becomes 2: errors are still printed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    terminal = os.dup(2)
    # -I and -S: without the user's settings and packages it starts in 10 ms.
    command = [sys.executable, "-I", "-S", __file__]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stderr=terminal,
        start_new_session=True,  # out of reach of a terminal's Ctrl-C
    ) as reader:
        os.dup2(reader.stdin.fileno(), 2)
        has_failed = True
        try:
            yield
            has_failed = False
        except KeyboardInterrupt:
            has_failed = False
            raise
        finally:
            sys.stderr.flush()
            if not has_failed:
                os.write(2, _DONE.encode())
            os.dup2(terminal, 2)
            os.close(terminal)


@contextmanager
def quick_imports() -> Iterator[None]:
    """Import TensorFlow and Keras in half the time, and make the program's end quick.

    Keras does not find the packages in the block that it can do without: they take as
    long as TensorFlow itself, and can be imported after it. Nor does Python look for
    garbage among a half million objects that stay to the end, in the block or later.
    Where TensorFlow has been imported before, nothing is changed.
    """
    if "tensorflow" in sys.modules:
        yield
        return
    hidden = [name for name in _NOT_FOR_KERAS if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # an import of None fails
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
        gc.freeze()
        if was_enabled:
            gc.enable()


def print_but_startup_lines() -> None:
    """Copy standard input to standard error without TensorFlow's lines.

    They follow where the input ends without a sign that the start has succeeded.
    """
    held_back = []
    for line in sys.stdin:
        if line.endswith(_DONE):  # after a line that was not ended, perhaps
            sys.stderr.write(line.removesuffix(_DONE))
            return
        if _STARTUP_LINE.match(line):
            held_back.append(line)
        else:
            sys.stderr.write(line)
            sys.stderr.flush()
    sys.stderr.writelines(held_back)


if __name__ == "__main__":
    sys.stdin.reconfigure(errors="replace")
    print_but_startup_lines()
