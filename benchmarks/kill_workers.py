"""Workers of a training are killed at random, and started again: what is lost.

A small network is trained on rendered streets by several processes of this machine. At
random moments one of them is killed (SIGKILL), cut off (SIGSTOP: it answers no more, as
behind a network that is cut) or asked to stop (SIGTERM). All are then started again by
the same command. At the end the weights are compared with those of a training that was
left alone.

    python benchmarks/kill_workers.py --output-dir /tmp/kills --kills 20
"""

import argparse
import json
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np
from local_workers import start_workers

CHECKPOINT_EVERY = 5  # steps
LONGEST_WAIT = 900  # seconds
_TRAINING = f"""
    --dataset streets --num-images 39 --image-size 64x96 --crop 32x32 --epochs 40
    --batch-size 4 --variant 32s --head compact --head-filters 8 --weights none
    --precision float32 --num-samples 1 --seed 1
    --checkpoint-every {CHECKPOINT_EVERY} --auto-resume
"""
_STEPS_PER_EPOCH = 10
_SIGNALS = {
    "killed": signal.SIGKILL,
    "cut off": signal.SIGSTOP,
    "asked to stop": signal.SIGTERM,
}


def main() -> int:
    """Kill workers, and tell what came of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--faults", default=",".join(_SIGNALS), help="kinds of faults")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--output-dir", type=Path, required=True, metavar="DIR")
    arguments = parser.parse_args()
    folder, draws = arguments.output_dir, random.Random(arguments.seed)
    run, kinds = folder / "killed", arguments.faults.split(",")
    print("| kill | worker | fault | after | others ended in | statuses | lost steps |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for number in range(1, arguments.kills + 1):
        row = _kill_one(run, folder / f"logs-{number}", arguments.workers, kinds, draws)
        print(f"| {number} | {row} |", flush=True)
    for name in ("killed", "alone"):
        workers = _start(folder / name, folder / f"logs-{name}", arguments.workers)
        statuses = [worker.wait() for worker in workers]
        if any(statuses):
            sys.exit(f"The workers ended with {statuses}: see {folder}/logs-{name}")
    apart = _largest_difference(run, folder / "alone")
    print(f"\nLargest difference to the training that was left alone: {apart}")
    return 0


def _kill_one(run, logs, count, kinds, draws):
    """Start all workers, do something to one, and wait for the others to end."""
    before = _progress(run)
    victim, kind = draws.randrange(count), draws.choice(kinds)
    workers = _start(run, logs, count)
    _wait_for(run, before + CHECKPOINT_EVERY * draws.randint(1, 4), workers)
    time.sleep(draws.random() * 2)
    seen, began = _progress(run), time.monotonic()
    workers[victim].send_signal(_SIGNALS[kind])
    others = [worker for worker in workers if worker is not workers[victim]]
    statuses = [worker.wait(LONGEST_WAIT) for worker in others]
    seconds = time.monotonic() - began
    if kind == "cut off":
        workers[victim].kill()
    workers[victim].wait()
    # The step after every CHECKPOINT_EVERY begins when the checkpoint is written.
    kept = _progress(run)
    lost = 0 if kind == "asked to stop" else f"< {CHECKPOINT_EVERY}"
    if kept < seen:
        lost = f"{seen - kept} and more"
    name = "first" if victim == 0 else str(victim)
    return (
        f"{name} | {kind} | step {kept} | {seconds:.1f} s | "
        f"{', '.join(map(str, statuses))} | {lost}"
    )


def _start(run, logs, count):
    return start_workers([*_TRAINING.split(), "--run-dir", run], count, logs)


def _wait_for(run, steps, workers):
    """Wait until a run has so many steps."""
    deadline = time.monotonic() + LONGEST_WAIT
    while _progress(run) < steps:
        if time.monotonic() > deadline or any(w.poll() is not None for w in workers):
            for worker in workers:
                worker.kill()
            sys.exit(f"The training does not go on after step {_progress(run)}")
        time.sleep(0.1)


def _progress(run):
    """Steps that the last checkpoint of a run has."""
    try:
        checkpoint = json.loads((run / "checkpoint.json").read_text())
    except FileNotFoundError:
        return 0
    return checkpoint["epoch"] * _STEPS_PER_EPOCH + checkpoint["step"]


def _largest_difference(run, other):
    """Between all arrays of the last checkpoints: weights and optimizer."""
    names = [
        path / json.loads((path / "checkpoint.json").read_text())["state"]
        for path in (run, other)
    ]
    with np.load(names[0]) as mine, np.load(names[1]) as others:
        return max(
            float(np.abs(mine[name].astype("float64") - others[name]).max())
            for name in mine.files
        )


if __name__ == "__main__":
    sys.exit(main())
