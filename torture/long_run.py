"""Train for many small epochs, and print memory and open files of the process.

    python -m torture.long_run --epochs 1000

States and networks are written in every hundredth epoch only: at 240 MB per epoch of
the smallest network, writing would dominate.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from torture.killed_trainings import flags, write_data


def main(argv: list[str] | None = None) -> int:
    """Train; return 1 if memory or open files grow from the first tenth to the last."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=1000)
    arguments = parser.parse_args(argv)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        _watch(Path(folder) / "run", arguments.epochs, rows)
        from keras_fcn.commands.train import main as train

        write_data(Path(folder) / "data")
        command = flags(Path(folder) / "run", Path(folder) / "data")
        if train([*command, "--epochs", str(arguments.epochs)], prog="train"):
            return 1
    (_, first, files, *_), (_, last, files_at_the_end, *_) = rows[1], rows[-1]
    return int(last > 1.05 * first or files_at_the_end > files)


def _watch(run, num_epochs, rows):
    """Print a row after each tenth of the epochs, from a callback of the training."""
    from keras_fcn.training.callbacks import CheckpointWriter
    from keras_fcn.training.trainer import Trainer

    save_state, write_epoch = Trainer.save_state, CheckpointWriter.on_epoch_end
    every = max(1, num_epochs // 10)
    print("| epoch | memory, MiB | descriptors | event files |\n|---|---|---|---|")

    def save_seldom(trainer, path, **options):
        if trainer.num_saved % 100 == 0:
            save_state(trainer, path, **options)
        else:
            path.write_bytes(b"")
        trainer.num_saved += 1

    def write_and_print(writer, epoch, logs=None):
        write_epoch(writer, epoch, logs)
        if epoch == 1 or epoch % every == 0:
            resident = Path("/proc/self/statm").read_text().split()[1]
            memory = int(resident) * os.sysconf("SC_PAGE_SIZE") // 2**20
            descriptors = len(os.listdir("/proc/self/fd"))
            events = len(list((run / "tensorboard").rglob("events.*")))
            rows.append((epoch, memory, descriptors, events))
            print(f"| {epoch} | {memory} | {descriptors} | {events} |", flush=True)

    Trainer.num_saved = 0
    Trainer.save_state, CheckpointWriter.on_epoch_end = save_seldom, write_and_print


if __name__ == "__main__":
    sys.exit(main())
