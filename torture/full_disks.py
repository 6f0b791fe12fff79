"""Simulate a full disk at every write of every command.

    python -m torture.full_disks

Each command runs once without a limit, to find the sizes of its files, and then with
limits on the file size (RLIMIT_FSIZE): 0, and one byte less than each file, so that
each write fails once. It must end with status 2 and a line that names a path (`predict`
one per image), and must neither leave partial files nor change existing ones.
"""

import argparse
import contextlib
import hashlib
import importlib
import io
import json
import logging
import re
import resource
import shutil
import sys
import tempfile
from pathlib import Path

from torture.killed_trainings import flags, write_data


def main(argv: list[str] | None = None) -> int:
    """Run the commands with every limit; return 1 if any of them failed the check."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--commands", nargs="*", default=list(_ARGUMENTS))
    arguments = parser.parse_args(argv)
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        start = _make_start(Path(folder))
        for name in arguments.commands:
            found, count = _torture(name, start, Path(folder))
            print(f"{name}: {count} limits, {len(found)} failed", flush=True)
            wrong += found
    print(*wrong, sep="\n", end="\n" if wrong else "")
    return int(bool(wrong))


# Arguments of each command, in a folder with data and a run with one epoch left.
_ARGUMENTS = {
    "train": "--resume run",
    "evaluate": "--model run --split val --data-dir data --output-dir out",
    "predict": "data/images/val --model run --output-dir out",
    "export": "--model run --output-dir out",
    "pack": "finished --output-dir out",
    "curves": "run --output out.png",
    "samples": "run --output out.png",
}


def _make_start(folder):
    start = folder / "start"
    start.mkdir()
    write_data(start / "data")
    _run("train", flags(start / "run", start / "data"))
    shutil.copytree(start / "run", start / "finished")
    written = json.loads((start / "run/config.json").read_text())
    written["config"]["epochs"] += 1
    (start / "run/config.json").write_text(json.dumps(written))
    return start


def _torture(name, start, folder):
    """Return the failures, one line each, and the number of limits."""
    free = shutil.copytree(start, folder / "place")  # as below: it is in figures
    status, log = _run(name, _arguments(name, free))
    if status:
        raise SystemExit(f"{name} without a limit: {log}")
    before = _digests(start)
    made = {path: d for path, d in _digests(free).items() if before.get(path) != d}
    limits = {0} | {max(0, (free / path).stat().st_size - 1) for path in made}
    shutil.rmtree(free)
    wrong = []
    for limit in sorted(limits):
        place = shutil.copytree(start, folder / "place")
        status, log = _run(name, _arguments(name, place), limit)
        lines = re.findall(r"^.*error:.*$|^skipped:.*$", log, re.MULTILINE)
        problems = []
        statuses = (1, 2) if name == "predict" else (2,)  # 1: some images were written
        if status not in statuses or not lines or "Traceback" in log:
            problems.append(f"status {status}: {log[-300:]}")
        elif any(tempfile.gettempdir() not in line for line in lines):
            problems.append(f"no path: {lines}")
        after = _digests(place)
        changed = [p for p, d in before.items() if after.get(p) != d]
        parts = [path for path in after if ".part-" in str(path)]
        if changed or parts:
            problems.append(f"changed: {changed}, left: {parts}")
        wrong += [f"{name}, {limit} bytes: {problem}" for problem in problems]
        shutil.rmtree(place)
    return wrong, len(limits)


def _arguments(name, place):
    return [
        part if part.startswith("--") or part == "val" else str(place / part)
        for part in _ARGUMENTS[name].split()
    ]


def _run(name, arguments, limit=None):
    """Status and standard error of a command with a limit on file sizes."""
    command = importlib.import_module(f"keras_fcn.commands.{name}").main
    logging.getLogger().handlers.clear()  # it has the previous standard error
    log, hard = io.StringIO(), resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    with contextlib.redirect_stderr(log), contextlib.redirect_stdout(io.StringIO()):
        try:
            if limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
            status = command(arguments, prog=name)
        except Exception as error:
            status = f"{type(error).__name__}: {error}"
        except SystemExit as exit_:
            status = exit_.code
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    return status, log.getvalue()


def _digests(folder):
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


if __name__ == "__main__":
    sys.exit(main())
