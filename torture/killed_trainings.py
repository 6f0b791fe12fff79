"""Kill training at random times, resume it, and compare it with an uninterrupted run.

    python -m torture.killed_trainings --kills 100 --seed 1

Half of the kills happen at a random time, half before a random change of the run
folder. After each kill the checkpoint must contain every epoch whose line was printed.
A finished run must have the same files, state, history, scores and best network as the
uninterrupted run, bit for bit. Every second run keeps its checkpoints.
"""

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from keras_fcn.storage.arrays import read_arrays

_CHANGES = ("open", "os.rename", "os.link", "os.mkdir", "os.remove", "os.rmdir")
_MEASURED = ("images_per_second", "data_wait")  # differ from one training to another
_EPOCHS = 4


def main(argv: list[str] | None = None) -> int:
    """Kill, resume and compare; return 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    arguments, command = parser.parse_known_args(argv)
    if arguments.child:
        return _train_until_killed(*arguments.child, command)
    print(f"seed {arguments.seed}")
    rng = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        lost = _torture(Path(folder), arguments.kills, rng)
    print(*lost, sep="\n", end="\n" if lost else "")
    return int(bool(lost))


def _torture(folder, num_kills, rng):
    """Return the losses, one line each."""
    data, lost, killed, finished = folder / "data", [], 0, 0
    write_data(data)
    straight = {}
    for keeps in (True, False):
        _train(folder / f"straight-{keeps}", data, keeps)
        straight[keeps] = _result(folder / f"straight-{keeps}")
    while killed < num_kills:
        run, keeps = folder / f"run-{finished}", finished % 2 == 0
        while _epoch(run) < _EPOCHS:
            kill = {"seconds": "0", "change": "0"}
            if killed < num_kills:
                kind = rng.choice(list(kill))
                sampled = {"seconds": rng.uniform(0, 8), "change": rng.randint(1, 90)}
                kill[kind] = str(sampled[kind])
                killed += 1
            printed = _train(run, data, keeps, kill)
            epoch = _epoch(run)
            if epoch < printed:
                lost.append(f"{run.name}: printed epoch {printed}, saved epoch {epoch}")
            print(f"kill {killed}: {kill}, epoch {epoch} of {_EPOCHS}", flush=True)
        # Complete it, if the kill came just after the last epoch.
        _train(run, data, keeps)
        differing = [n for n, v in _result(run).items() if v != straight[keeps][n]]
        if differing or list(run.rglob(".part-*")):
            lost.append(
                f"{run.name}: {', '.join(differing) or 'temporary files are left'}"
            )
        finished += 1
        print(
            f"{killed} kills, {finished} trainings finished, {len(lost)} with a loss",
            flush=True,
        )
    return lost


def _train(run, data, keeps, kill=None):
    """Train or resume; return the last epoch whose line was printed, or 0."""
    command = flags(run, data) if keeps else flags(run, data)[:-1]
    if (run / "config.json").exists():
        command = ["--resume", run]
    kill = kill or {"seconds": "0", "change": "0"}
    process = subprocess.run(
        [
            *(sys.executable, "-m", "torture.killed_trainings"),
            *("--child", run, kill["seconds"], kill["change"], *command),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    is_over = "has finished its" in process.stderr
    if process.returncode not in (0, -signal.SIGKILL) and not is_over:
        raise SystemExit(f"status {process.returncode}: {process.stderr[-2000:]}")
    epochs = re.findall(rf"^epoch (\d+)/{_EPOCHS}  loss", process.stderr, re.MULTILINE)
    return max(map(int, epochs), default=0)


def _train_until_killed(run, seconds, change, command):
    """Run the command `train` in this process, which kills itself at a given point."""
    count, seconds, change = 0, float(seconds), int(change)

    def kill(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    def watch(event, values):
        nonlocal count
        if event not in _CHANGES or run not in str(values[0]):
            return
        if event == "open" and not values[2] & (os.O_WRONLY | os.O_RDWR):
            return
        count += 1
        if count == 1 and seconds:
            threading.Timer(seconds, kill).start()
        if count == change:
            kill()

    sys.addaudithook(watch)
    from keras_fcn.commands.train import main as train

    return train(command, prog="train")


def flags(run: Path, data: Path) -> list[str]:
    """Return the arguments of a training run of a few seconds.

    Args:
        run: the run folder.
        data: the folder written by `write_data`.
    """
    values = {
        "dataset": "folder",
        "data-dir": data,
        "head": "compact",
        "head-filters": 4,
        "weights": "none",
        "epochs": _EPOCHS,
        "batch-size": 2,
        "crop": "32x32",
        "precision": "float32",
        "num-samples": 1,
        "run-dir": run,
    }
    parts = (part for name, value in values.items() for part in (f"--{name}", value))
    return [*map(str, parts), "--keep-checkpoints"]


def write_data(folder: Path) -> None:
    """Write four training and two validation images.

    Args:
        folder: data folder, for the data set `folder`.
    """
    rng = np.random.default_rng(0)
    for split, count in (("train", 4), ("val", 2)):
        for kind in ("images", "labels"):
            (folder / kind / split).mkdir(parents=True)
        for number in range(count):
            label_map = rng.integers(0, 3, (4, 4)).repeat(8, 0).repeat(8, 1)
            image = (80 * label_map[..., None] + rng.integers(0, 30, 3)).astype("uint8")
            Image.fromarray(image).save(folder / f"images/{split}/{number}.png")
            label_map = Image.fromarray(label_map.astype("uint8"))
            label_map.save(folder / f"labels/{split}/{number}.png")


def _epoch(run):
    try:
        return json.loads((run / "checkpoint.json").read_text())["epoch"]
    except FileNotFoundError:
        return 0


def _result(run):
    """The results of a run, in a form that can be compared."""
    checkpoint = json.loads((run / "checkpoint.json").read_text())
    history = [
        {name: value for name, value in row.items() if name not in _MEASURED}
        for row in checkpoint["history"]
    ]
    state = run / checkpoint["state"]
    arrays = read_arrays(state) if state.exists() else {}
    with zipfile.ZipFile(run / "best.keras") as network:
        weights = network.read("model.weights.h5")
    return {
        "files": sorted(path.name for path in run.iterdir()),
        "state": {name: array.tobytes() for name, array in arrays.items()},
        "history": history,
        "scores": (run / "metrics.json").read_text(),
        "calibration": (run / "calibration.json").read_text(),
        "best network": weights,
        "lines of history.csv": (run / "history.csv").read_text().count("\n"),
        "samples": sorted(path.name for path in (run / "samples").iterdir()),
    }


if __name__ == "__main__":
    sys.exit(main())
