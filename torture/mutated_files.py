"""Read damaged files of every kind: each must be read, or refused in one line.

    python -m torture.mutated_files --count 10000

Each kind is read in a new process. It is a fault if a file crashes the process, takes
more than 20 seconds, raises another exception than ValueError or OSError, or one whose
message has several lines or lacks the file name; or if an image is read whose last rows
are missing. Such files are kept, and the exit status is 1.
"""

import argparse
import faulthandler
import json
import resource
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np

from torture.mutations import mutate, without_rows
from torture.readers import KINDS

SECONDS = 20  # limit for one file
_NUM_INCOMPLETE = 5  # of each valid image
MEBIBYTES = 200  # limit, in addition to the memory for reading the valid files


def read_mutated(name: str, count: int, seed: int, folder: Path) -> dict:
    """Read mutated files of a kind in this process.

    Args:
        name: one of `KINDS`.
        count: number of files.
        seed: seed of the mutations.
        folder: folder for the files; those with faults are kept.

    Returns:
        Numbers of files `read` and `refused`, `mebibytes` of memory in addition to that
        for valid files, and `faults`, a list of lines.
    """
    kind, rng = KINDS[name], np.random.default_rng([seed, *name.encode()])
    warnings.simplefilter("ignore")  # Pillow's, about tags, as in the commands
    seeds, faults, num_read = kind.seeds(), [], 0
    is_any_read = False
    for index, content in enumerate(seeds):
        path = folder / f"whole-{index}{kind.suffix}"
        path.write_bytes(content)
        fault = _fault_of(kind, path)
        if fault:  # a valid file may be refused, but not each of them
            faults.append(f"{path}: {fault}")
        is_any_read |= fault is None
    if not is_any_read:
        faults.append(f"{folder}: none of the valid files is read")
    for index, content in enumerate([*seeds] * _NUM_INCOMPLETE):
        path = folder / f"{name}-{seed}-rows-{index}{kind.suffix}"
        if (incomplete := without_rows(content, rng)) is not None:
            path.write_bytes(incomplete)
            if _fault_of(kind, path) is None:
                faults.append(f"{path}: read, although rows are missing")
            else:
                path.unlink(missing_ok=True)
    before = _mebibytes()
    for index in range(count):
        path = folder / f"{name}-{seed}-{index}{kind.suffix}"
        path.write_bytes(mutate(seeds, rng))
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        try:
            fault = _fault_of(kind, path)
            num_read += fault is None
        finally:
            faulthandler.cancel_dump_traceback_later()
        if fault:
            faults.append(f"{path}: {fault}")
        else:
            path.unlink(missing_ok=True)
    return {
        "read": num_read,
        "refused": count - num_read - len(faults),
        "mebibytes": max(0, _mebibytes() - before),
        "faults": faults,
    }


def _fault_of(kind, path):
    """None if the file was read, "" if it was refused, else the fault."""
    try:
        kind.read(path)
    except (ValueError, OSError) as error:
        message = str(error)
        if "\n" in message:
            return f"several lines: {message!r}"
        is_named = path.name in message or path.parent.name in message
        return "" if is_named else f"no file name: {message!r}"
    except BaseException as error:  # any other exception is a fault
        return f"{type(error).__name__}: {error}"
    return None


def _mebibytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _in_new_process(name, count, seed, folder):
    """Run `read_mutated` in a new process; a crash or a timeout is a fault."""
    command = [sys.executable, "-m", "torture.mutated_files", "--child", name]
    command += ["--count", str(count), "--seed", str(seed), "--folder", str(folder)]
    process = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if process.returncode == 0:
        return json.loads(process.stdout.splitlines()[-1])
    files = sorted(folder.glob(f"{name}-*"), key=lambda path: path.stat().st_mtime)
    last = files[-1] if files else folder
    # The first lines of a timeout name the function.
    line = " ".join(process.stderr.strip().splitlines()[:3]) or "no output"
    fault = f"{last}: ended with {process.returncode} ({line})"
    return {"read": 0, "refused": 0, "mebibytes": 0, "faults": [fault]}


def main(argv: list[str] | None = None) -> int:
    """Read mutated files of some kinds and print a table.

    Args:
        argv: command-line arguments; `sys.argv` when None.

    Returns:
        1 if anything failed.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=KINDS)
    parser.add_argument("--count", type=int, default=10_000, help="files of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--folder", type=Path, help="folder for the files; those with faults are kept"
    )
    parser.add_argument("--child", choices=KINDS, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="mutated-"))
    if arguments.child:
        result = read_mutated(arguments.child, arguments.count, arguments.seed, folder)
        print(json.dumps(result))
        return 0
    print(f"seed {arguments.seed}")
    print("kind             files    read  refused  MiB more  faults")
    num_faults = 0
    for name in arguments.kinds:
        part = folder / name
        part.mkdir(parents=True, exist_ok=True)
        result = _in_new_process(name, arguments.count, arguments.seed, part)
        if result["mebibytes"] > MEBIBYTES:
            result["faults"].append(f"{name} took {result['mebibytes']} MiB")
        num_faults += len(result["faults"])
        print(
            f"{name:<14}{arguments.count:>8}{result['read']:>8}{result['refused']:>9}"
            f"{result['mebibytes']:>10}{len(result['faults']):>8}",
            flush=True,
        )
        for fault in result["faults"][:5]:
            print(f"  {fault}")
    return 1 if num_faults else 0


if __name__ == "__main__":
    sys.exit(main())
