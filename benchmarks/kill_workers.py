"""Kill workers of a distributed training at random times, and restart them.

Trains a small network on rendered streets with several processes on this machine. At
random times one of them is killed (SIGKILL), disconnected (SIGSTOP: it does not
respond, as after a network failure) or asked to stop (SIGTERM). Then all are restarted
with the same command. At the end the weights are compared with those of an
uninterrupted run.

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

from keras_fcn.storage.arrays import read_arrays

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
    "disconnected": signal.SIGSTOP,
    "asked to stop": signal.SIGTERM,
}


def main() -> int:
    """Kill workers, and print a table of the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--faults", default=",".join(_SIGNALS), help="kinds of faults")
    parser.add_argument("--seed", type=int, default=0, help="seed of faults and times")
    parser.add_argument("--output-dir", type=Path, required=True, metavar="DIR")
    arguments = parser.parse_args()
    folder, rng = arguments.output_dir, random.Random(arguments.seed)
    run, kinds = folder / "killed", arguments.faults.split(",")
    print("| kill | worker | fault | after | others ended in | statuses | lost steps |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for number in range(1, arguments.kills + 1):
        row = _kill_one(run, folder / f"logs-{number}", arguments.workers, kinds, rng)
        print(f"| {number} | {row} |", flush=True)
    for name in ("killed", "uninterrupted"):
        workers = _start(folder / name, folder / f"logs-{name}", arguments.workers)
        statuses = [worker.wait() for worker in workers]
        if any(statuses):
            sys.exit(f"The workers ended with {statuses}: see {folder}/logs-{name}")
    difference = _largest_difference(run, folder / "uninterrupted")
    print(f"\nLargest difference from the uninterrupted run: {difference}")
    return 0


def _kill_one(run, logs, count, kinds, rng):
    """Start all workers, send a signal to one, and wait for the others to end."""
    before = _progress(run)
    victim, kind = rng.randrange(count), rng.choice(kinds)
    workers = _start(run, logs, count)
    _wait_for(run, before + CHECKPOINT_EVERY * rng.randint(1, 4), workers)
    time.sleep(rng.random() * 2)
    reached, began = _progress(run), time.monotonic()
    workers[victim].send_signal(_SIGNALS[kind])
    others = [worker for worker in workers if worker is not workers[victim]]
    statuses = [worker.wait(LONGEST_WAIT) for worker in others]
    seconds = time.monotonic() - began
    if kind == "disconnected":
        workers[victim].kill()
    workers[victim].wait()
    # Training continues after a checkpoint only when the checkpoint is written.
    kept = _progress(run)
    lost = 0 if kind == "asked to stop" else f"< {CHECKPOINT_EVERY}"
    if kept < reached:
        lost = f"{reached - kept} or more"
    name = "first" if victim == 0 else str(victim)
    return (
        f"{name} | {kind} | step {kept} | {seconds:.1f} s | "
        f"{', '.join(map(str, statuses))} | {lost}"
    )


def _start(run, logs, count):
    return start_workers([*_TRAINING.split(), "--run-dir", run], count, logs)


def _wait_for(run, steps, workers):
    """Wait until a run has completed a number of steps."""
    deadline = time.monotonic() + LONGEST_WAIT
    while _progress(run) < steps:
        if time.monotonic() > deadline or any(w.poll() is not None for w in workers):
            for worker in workers:
                worker.kill()
            sys.exit(f"The training made no progress after step {_progress(run)}")
        time.sleep(0.1)


def _progress(run):
    """Number of steps in the last checkpoint of a run."""
    try:
        checkpoint = json.loads((run / "checkpoint.json").read_text())
    except FileNotFoundError:
        return 0
    return checkpoint["epoch"] * _STEPS_PER_EPOCH + checkpoint["step"]


def _largest_difference(run, other):
    """Largest difference of all arrays (weights, optimizer) of the last checkpoints."""
    mine, others = (
        read_arrays(path / json.loads((path / "checkpoint.json").read_text())["state"])
        for path in (run, other)
    )
    return max(
        float(np.abs(values.astype("float64") - others[name]).max())
        for name, values in mine.items()
    )


if __name__ == "__main__":
    sys.exit(main())
