"""Run the commands in this process or in a subprocess."""

import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager

from tests.support.data import PROJECT

_IMPORTED = re.compile(r"import time: +\d+ \| +\d+ \| +(\S+)")


def outcome(command, capsys, *arguments):
    """Exit status, standard output and standard error of a command."""
    try:
        status = command.main([str(argument) for argument in arguments])
    except SystemExit as exit_:
        status = exit_.code
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def refusal(command, capsys, *arguments):
    """The one-line error message of a command for invalid input."""
    status, out, err = outcome(command, capsys, *arguments)
    assert status == 2, err
    assert out == ""
    assert len(err.splitlines()) == 1, err
    assert "Traceback" not in err
    return err


def call(*arguments, check=True):
    """Run Python in a subprocess, in the project's folder.

    Returns the completed process, with its output as text. TF_CPP_MIN_LOG_LEVEL is not
    set, as on a user's machine.
    """
    environment = dict(os.environ)
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=check,
    )


def call_and_watch(*arguments):
    """Run Python like `call`; return the process and the modules that it imported.

    The import times are removed from its standard error.
    """
    process = call("-X", "importtime", *arguments, check=False)
    lines = process.stderr.splitlines(keepends=True)
    imported = {found[1] for line in lines if (found := _IMPORTED.match(line))}
    process.stderr = "".join(line for line in lines if line[:12] != "import time:")
    return process, imported


_CALLS = """
import contextlib, io, json, sys
from keras_fcn.commands.main import main

for line in sys.stdin:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main(json.loads(line))
        except SystemExit as exit_:
            status = exit_.code
    print(json.dumps([status, out.getvalue(), err.getvalue(), [*sys.modules]]))
    sys.stdout.flush()
"""


@contextmanager
def calls_in_a_new_process():
    """A function that runs `keras-fcn ARGUMENTS` in a process of all its calls.

    It returns the exit status, standard output, standard error, and the modules that
    have been imported since the process was started.
    """
    with subprocess.Popen(
        [sys.executable, "-c", _CALLS],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:

        def run(*arguments):
            print(json.dumps([*map(str, arguments)]), file=process.stdin, flush=True)
            status, out, err, imported = json.loads(process.stdout.readline())
            return status, out, err, set(imported)

        yield run
        process.stdin.close()


def training_arguments(folder, run_dir, **changes):
    values = {
        "dataset": "folder",
        "data-dir": folder,
        "head": "compact",
        "weights": "none",
        "epochs": 1,
        "batch-size": 4,
        "crop": "32x32",
        "precision": "float32",
        "run-dir": run_dir,
        **changes,
    }
    pairs = ((f"--{name}", value) for name, value in values.items())
    return [part for pair in pairs for part in pair]
