"""Imports TensorFlow without the lines that it prints at start-up."""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

_STARTUP_LINE = re.compile(
    r"WARNING: All log messages before absl::InitializeLog"
    r"|[IWE]\d{4} \d\d:\d\d:\d\d"  # absl's prefix, as in I0000 00:00:1795339103.46
    r"|\d{4}-\d\d-\d\d .*: [IWE] (tensorflow|external)/"
    r"|To enable the following instructions: "
)


@contextmanager
def without_startup_lines() -> Iterator[None]:
    """Drop TensorFlow's informational lines from standard error during a block.

    They are written by C++ before any setting of Python is read, so the file
    descriptor is turned aside. All other lines are printed when the block ends. Where
    the variable is not set, TF_CPP_MIN_LOG_LEVEL becomes 2: errors are still printed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile("w+") as aside:
        os.dup2(aside.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)
            aside.seek(0)
            sys.stderr.writelines(
                line for line in aside if not _STARTUP_LINE.match(line)
            )
