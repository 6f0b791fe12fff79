"""Kill a process before each change of a run folder, and resume from what is left.

    python -m torture.killed_writes --epochs 5

A child process writes what training writes at the end of an epoch, with small files in
place of networks. It kills itself before the first change of the folder; in another
folder before the second, and so on for all changes. The folder must then contain this
epoch or the previous one, complete, and after resuming it must be equal, byte for byte,
to that of an uninterrupted run. It must also contain state and best network of the
checkpoint before, which a damaged last one needs.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from keras_fcn.runs.checkpoints import Checkpoint, Checkpoints
from keras_fcn.storage.atomic import remove_parts

_CHANGES = ("open", "os.rename", "os.link", "os.mkdir", "os.remove", "os.rmdir")
_SCORES = (0.3, 0.5, 0.4, 0.5, 0.6, 0.2, 0.7)  # of the epochs, repeated


def main(argv: list[str] | None = None) -> int:
    """Kill a child before each change of each epoch; return 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=5)
    arguments = parser.parse_args(argv)
    os.fsync = lambda file: None  # not needed against kills, and slow
    num_kills, lost = 0, []
    with tempfile.TemporaryDirectory() as folder:
        for epoch in range(1, arguments.epochs + 1):
            for number in range(1, 10_000):
                run = Path(folder) / f"{epoch}-{number}"
                was_killed = _kill(run, epoch, number)
                if (wrong := _resume(run, epoch, was_killed)) is not None:
                    lost.append(f"epoch {epoch}, before change {number}: {wrong}")
                shutil.rmtree(run)
                if not was_killed:
                    break
                num_kills += 1
    print(f"{num_kills} kills in {arguments.epochs} epochs: {len(lost)} with a loss")
    print(*lost, sep="\n", end="\n" if lost else "")
    return int(bool(lost))


def _kill(run, epoch, number):
    """Whether a child that finishes an epoch made a change with this number."""
    run.mkdir()
    for finished in range(1, epoch):
        _finish(run, finished)
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return os.WIFSIGNALED(status)
    count = 0

    def kill_before(event, values):
        nonlocal count
        if event in _CHANGES and str(run) in str(values[0]):
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(kill_before)
    _finish(run, epoch)
    os._exit(0)


def _resume(run, epoch, was_killed):
    """Return an error found after the kill or after resuming; None without one."""
    checkpoints = Checkpoints(run)
    remove_parts(run)
    found = checkpoints.read()[0]
    if found.epoch not in (epoch - 1, epoch) or not (was_killed or found.epoch):
        return f"the checkpoint is of epoch {found.epoch}"
    checkpoints.restore(found)
    if found.epoch < epoch:
        _finish(run, epoch)
    straight = run.with_name("straight")
    straight.mkdir()
    for finished in range(1, epoch + 1):
        _finish(straight, finished)
    contents = [
        {
            path.relative_to(folder): path.read_bytes() if path.is_file() else None
            for path in folder.rglob("*")
        }
        for folder in (run, straight)
    ]
    shutil.rmtree(straight)
    if missing := _missing(run, epoch):
        return f"{', '.join(missing)} missing, or not as written"
    differing = {
        str(path)
        for path in contents[0].keys() | contents[1].keys()
        if contents[0].get(path) != contents[1].get(path)
    }
    return f"{', '.join(sorted(differing))} differ" if differing else None


def _missing(run, epoch):
    """Files of the last two checkpoints that the folder lacks, by what they contain."""
    best, before = _checkpoint(epoch).best_epoch, _checkpoint(epoch - 1).best_epoch
    networks = {"best.keras": best}
    if before not in (0, best):
        networks[f"best-{before:04}.keras"] = before
    states = [number for number in (epoch - 1, epoch) if number]
    expected = {name: _network(number) for name, number in networks.items()}
    expected |= {f"checkpoint-{n:04}.safetensors": _state(n) for n in states}
    return [
        name
        for name, content in expected.items()
        if not (run / name).is_file() or (run / name).read_text() != content
    ]


def _network(epoch):
    return f"network {epoch}" * 1000


def _state(epoch):
    return f"state {epoch}" * 1000


def _finish(run, epoch):
    """Write what training writes at the end of an epoch."""
    checkpoints = Checkpoints(run)
    before, after = _checkpoint(epoch - 1), _checkpoint(epoch)
    if after.best_epoch == epoch:
        checkpoints.stage_best(
            epoch, lambda path: path.write_text(_network(epoch)), {"epoch": epoch}
        )
    checkpoints.write(after, before, lambda path: path.write_text(_state(epoch)))


def _checkpoint(epoch):
    if not epoch:
        return Checkpoint()
    history = [
        {"epoch": n, "val_mean_iou": _SCORES[(n - 1) % len(_SCORES)]}
        for n in range(1, epoch + 1)
    ]
    return Checkpoint.at(epoch, history)


if __name__ == "__main__":
    sys.exit(main())
