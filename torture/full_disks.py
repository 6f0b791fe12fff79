"""Let the disk be full at every write of every command.

    python -m torture.full_disks

A command runs once to see how large its files are, and then under a limit on the size
of files (RLIMIT_FSIZE) of nothing, and of one byte less than each of them, so that one
after the other can't be written. It must end with status 2 and a line that names a
path (`predict` one for each image), leave nothing half written, and leave what was
there as it was.
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
    """Run the commands under every limit; 1 where one did not end as it must."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--commands", nargs="*", default=list(_ARGUMENTS))
    arguments = parser.parse_args(argv)
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        start = _make_start(Path(folder))
        for name in arguments.commands:
            found, count = _torture(name, start, Path(folder))
            print(f"{name}: {count} limits, {len(found)} with a wrong end", flush=True)
            wrong += found
    print(*wrong, sep="\n", end="\n" if wrong else "")
    return int(bool(wrong))


# What each command is given, in a folder with data and a run that has an epoch to go.
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
    """What was wrong, a line each, and under how many limits."""
    free = shutil.copytree(start, folder / "free")
    status, told = _run(name, _arguments(name, free))
    if status:
        raise SystemExit(f"{name} without a limit: {told}")
    before = _digests(start)
    made = {path: d for path, d in _digests(free).items() if before.get(path) != d}
    limits = {0} | {max(0, (free / path).stat().st_size - 1) for path in made}
    shutil.rmtree(free)
    wrong = []
    for limit in sorted(limits):
        place = shutil.copytree(start, folder / "place")
        status, told = _run(name, _arguments(name, place), limit)
        lines = re.findall(r"^.*error:.*$|^skipped:.*$", told, re.MULTILINE)
        problems = []
        statuses = (1, 2) if name == "predict" else (2,)  # 1: some images were written
        if status not in statuses or not lines or "Traceback" in told:
            problems.append(f"status {status}: {told[-300:]}")
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
    """Status and standard error of a command under a limit on the size of files."""
    command = importlib.import_module(f"keras_fcn.commands.{name}").main
    logging.getLogger().handlers.clear()  # it writes to the standard error of before
    told, hard = io.StringIO(), resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    with contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()):
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
    return status, told.getvalue()


def _digests(folder):
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


if __name__ == "__main__":
    sys.exit(main())
