"""Damaged files of every kind to what reads them: refused in one line, or read.

    python -m torture.mutated_files --count 10000

Each kind is read in a process of its own. A file that crashes it, takes more than 20
seconds, raises another error than ValueError or OSError, says it in more than a line or
without the file's name is kept, and the exit status is 1.
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

from torture.mutations import mutate
from torture.readers import KINDS

SECONDS = 20  # of one file
MEBIBYTES = 200  # beyond what the process had when it had read the whole files


def read_mutated(name: str, count: int, seed: int, folder: Path) -> dict:
    """Read mutated files of a kind in this process.

    Args:
        name: one of `KINDS`.
        count: how many.
        seed: from which they follow.
        folder: where they are written; one that fails is left there.

    Returns:
        Numbers of files `read` and `refused`, `mebibytes` of memory beyond that of
        whole files, and `faults`, a list of lines.
    """
    kind, rng = KINDS[name], np.random.default_rng([seed, *name.encode()])
    warnings.simplefilter("ignore")  # of Pillow, for tags; commands leave them out too
    seeds, faults, num_read = kind.seeds(), [], 0
    for index, content in enumerate(seeds):
        path = folder / f"whole-{index}{kind.suffix}"
        path.write_bytes(content)
        if fault := _fault_of(kind, path):  # a file may be whole and of no use
            faults.append(f"{path}: {fault}")
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
    """None for a file that was read, "" for one that was refused, or what is wrong."""
    try:
        kind.read(path)
    except (ValueError, OSError) as error:
        message = str(error)
        if "\n" in message:
            return f"more than a line: {message!r}"
        is_named = path.name in message or path.parent.name in message
        return "" if is_named else f"no file is named: {message!r}"
    except BaseException as error:  # what else is a fault, whatever it is
        return f"{type(error).__name__}: {error}"
    return None


def _mebibytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _in_a_process(name, count, seed, folder):
    """What `read_mutated` gives; a crash or a file that takes too long is a fault."""
    command = [sys.executable, "-m", "torture.mutated_files", "--child", name]
    command += ["--count", str(count), "--seed", str(seed), "--folder", str(folder)]
    process = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if process.returncode == 0:
        return json.loads(process.stdout.splitlines()[-1])
    files = sorted(folder.glob(f"{name}-*"), key=lambda path: path.stat().st_mtime)
    last = files[-1] if files else folder
    line = (process.stderr.strip().splitlines() or ["no word"])[0]
    fault = f"{last}: ended with {process.returncode} ({line})"
    return {"read": 0, "refused": 0, "mebibytes": 0, "faults": [fault]}


def main(argv: list[str] | None = None) -> int:
    """Read mutated files of some kinds and print a table.

    Args:
        argv: the arguments; those of the process when None.

    Returns:
        1 if anything failed.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=KINDS)
    parser.add_argument("--count", type=int, default=10_000, help="files of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="for the files; kept if one fails")
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
        count = max(1, arguments.count // KINDS[name].cost)
        result = _in_a_process(name, count, arguments.seed, part)
        if result["mebibytes"] > MEBIBYTES:
            result["faults"].append(f"{name} took {result['mebibytes']} MiB")
        num_faults += len(result["faults"])
        print(
            f"{name:<14}{count:>8}{result['read']:>8}{result['refused']:>9}"
            f"{result['mebibytes']:>10}{len(result['faults']):>8}",
            flush=True,
        )
        for fault in result["faults"][:5]:
            print(f"  {fault}")
    return 1 if num_faults else 0


if __name__ == "__main__":
    sys.exit(main())
