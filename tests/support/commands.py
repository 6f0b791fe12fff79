"""Run the commands in this process or in a subprocess."""

import os
import re
import subprocess
import sys

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
