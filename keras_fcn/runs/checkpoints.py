"""Checkpoints of a run: the last two, from which training can resume.

When the training has finished, only `checkpoint.json` is kept, unless the run's
configuration has `keep_checkpoints`.

checkpoint.json         progress of the training, with its history
checkpoint-before.json  the same of the previous checkpoint
checkpoint-EEEE.safetensors
                        the state after epoch EEEE
checkpoint-EEEE-SSSSSS.safetensors
                        the state SSSSSS steps into the epoch after EEEE
best-EEEE.keras, best-EEEE.json
                        network and scores of epoch EEEE: about to become `best.keras`
                        and `metrics.json`, or those of the previous checkpoint

A checkpoint becomes valid when `checkpoint.json` names it. That file is replaced after
the state and the best network are on the disk, so that a kill, a full disk or a loss of
power at any moment leaves a valid checkpoint. All other files follow from it; `restore`
updates them if training was interrupted in between.
"""

import csv
import logging
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from keras_fcn.errors import shown, summarize
from keras_fcn.storage.atomic import atomic_file, move_into_place, read_json, write_json
from keras_fcn.storage.regular_files import check_is_regular

logger = logging.getLogger(__name__)

_STATE = re.compile(r"checkpoint-\d{4,}(-\d{6,})?\.safetensors")
_LARGEST = sys.float_info.max  # json reads 1e999 as infinity, and NaN as NaN


@dataclass(frozen=True)
class Checkpoint:
    """Progress of a training.

    Attributes:
        epoch: number of finished epochs.
        step: finished steps of the next epoch.
        state: name of the file with the state; None before the first checkpoint.
        history: one dict of scores for each finished epoch, with its `epoch`.
    """

    epoch: int = 0
    step: int = 0
    state: str | None = None
    history: tuple[dict, ...] = ()

    @classmethod
    def at(cls, epoch: int, history: Iterable[dict], step: int = 0) -> "Checkpoint":
        """Return a checkpoint with the file name of its state.

        Args:
            epoch: number of finished epochs.
            history: one dict of scores for each.
            step: finished steps of the next epoch.
        """
        steps = f"-{step:06}" if step else ""
        state = f"checkpoint-{epoch:04}{steps}.safetensors"
        return cls(epoch, step, state, tuple(history))

    @classmethod
    def read(cls, path: Path) -> "Checkpoint":
        """Read `checkpoint.json` or `checkpoint-before.json`.

        Args:
            path: the file.

        Raises:
            ValueError: if it is damaged; names it.
            OSError: if it can't be read.
        """
        values = read_json(path)
        names = ("epoch", "step", "state", "history")
        if not isinstance(values, dict) or values.keys() != set(names):
            raise ValueError(
                f"{path}: expected {', '.join(names)}, got {shown(values)}"
            )
        epoch, step, state, history = (values[name] for name in names)
        for name, value in (("epoch", epoch), ("step", step)):
            if type(value) is not int or value < 0:  # a bool is an int, too
                raise ValueError(
                    f"{path}: {name} must be an integer of at least 0, "
                    f"got {shown(value)}"
                )
        if not isinstance(state, str) or not _STATE.fullmatch(state):
            raise ValueError(
                f"{path}: state must be a file name such as "
                f"checkpoint-0001.safetensors, got {shown(state)}"
            )
        if not isinstance(history, list) or len(history) != epoch:
            raise ValueError(
                f"{path}: history must have one entry for each of the {epoch} epochs, "
                f"got {shown(history)}"
            )
        for number, row in enumerate(history, start=1):
            is_valid = (
                isinstance(row, dict)
                and row.get("epoch") == number
                and "val_mean_iou" in row
                and all(
                    type(value) in (int, float) and abs(value) <= _LARGEST
                    for value in row.values()
                )
            )
            if not is_valid:
                raise ValueError(
                    f"{path}: entry {number} of history must contain numbers by name, "
                    f"with epoch {number} and val_mean_iou, got {shown(row)}"
                )
        return cls(epoch, step, state, tuple(history))

    @property
    def best_epoch(self) -> int:
        """Epoch of `best.keras`: the first with the best validation mean IoU; or 0."""
        scores = [row["val_mean_iou"] for row in self.history]
        return 1 + scores.index(max(scores)) if scores else 0

    def is_last(self, num_epochs: int, patience: int | None) -> bool:
        """Return whether no epoch follows in this training.

        Args:
            num_epochs: epochs of the training.
            patience: epochs without a better validation mean IoU after which it ends;
                None for no such end.
        """
        is_stalled = patience is not None and self.epoch - self.best_epoch >= patience
        return self.epoch >= num_epochs or is_stalled


class Checkpoints:
    """The checkpoints of a run, and the files that follow from them.

    Attributes:
        folder: the folder of the run.
        last_file: file of the last checkpoint.
        before_file: file of the previous checkpoint.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.last_file = folder / "checkpoint.json"
        self.before_file = folder / "checkpoint-before.json"

    def read(self) -> list[Checkpoint]:
        """Read the valid checkpoints, the last one first.

        A line is logged for a damaged one. The files of the states are not read.

        Returns:
            At least one; an empty one for a run without a checkpoint.

        Raises:
            ValueError: if both are damaged, or missing although epochs have finished,
                or a folder has the name of a file.
            OSError: if a file can't be read.
        """
        for pattern in ("checkpoint*", "best*", "metrics.json", "history.csv"):
            for path in self.folder.glob(pattern):
                check_is_regular(path)
        if not self.last_file.exists():
            self._check_has_not_begun()
            return [Checkpoint()]
        valid, errors = [], []
        for path in (self.last_file, self.before_file):
            try:
                if path.exists():
                    valid.append(Checkpoint.read(path))
            except ValueError as error:
                errors.append(str(error))
        if not valid:
            raise ValueError("; ".join(errors))
        for message in errors:
            logger.warning("%s; the other checkpoint is used", message)
        return valid

    def write(
        self,
        checkpoint: Checkpoint,
        before: Checkpoint,
        save_state: Callable[[Path], None],
    ) -> None:
        """Make a checkpoint the last one, and update the files that follow from it.

        Args:
            checkpoint: the new one, with a state. If its own epoch is the best,
                `stage_best` has been called.
            before: the last one until now.
            save_state: writes the state to a path.

        Raises:
            OSError: if something can't be written; the previous checkpoint stays valid.
        """
        # Durable: otherwise, after a loss of power, a file may have its new name and no
        # content. In this order: `checkpoint.json` names files that are complete.
        path = self.folder / str(checkpoint.state)
        with atomic_file(path, is_durable=True) as part:
            save_state(part)
        if before.state is not None:
            write_json(self.before_file, asdict(before), is_durable=True)
        write_json(self.last_file, asdict(checkpoint), is_durable=True)
        self._update_files(checkpoint, before)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Reset a run to a checkpoint before its training resumes.

        Args:
            checkpoint: one of `read` whose state is not damaged.

        Raises:
            OSError: if something can't be written.
        """
        if checkpoint.state is None:
            for path in self.folder.glob("best-*"):
                path.unlink()
            return
        write_json(self.last_file, asdict(checkpoint), is_durable=True)
        # Without a previous checkpoint, its files are not kept.
        before = checkpoint
        if self.before_file.exists():
            try:
                before = Checkpoint.read(self.before_file)
            except ValueError:
                self.before_file.unlink()
        self._update_files(checkpoint, before)

    def has_states(self) -> bool:
        """Return whether there is a state from which a training can resume."""
        return any(self.folder.glob("checkpoint-*.safetensors"))

    def remove_states(self) -> None:
        """Remove what only resuming needs, after the training has finished."""
        self.before_file.unlink(missing_ok=True)  # first, because it names a state
        for pattern in ("checkpoint-*.safetensors", "best-*"):
            for path in self.folder.glob(pattern):
                path.unlink()

    def is_complete(self, checkpoint: Checkpoint) -> bool:
        """Return whether the files that follow from a checkpoint are up to date.

        They are not if the process was killed before it had updated them.

        Args:
            checkpoint: the last one.
        """
        staged = (self._best(checkpoint.best_epoch, end) for end in (".keras", ".json"))
        history = self.folder / "history.csv"
        num_lines = history.read_text().count("\n") if history.exists() else 0
        return num_lines == 1 + checkpoint.epoch and not any(map(Path.exists, staged))

    def stage_best(
        self, epoch: int, save_network: Callable[[Path], None], metrics: dict
    ) -> None:
        """Write the network that becomes `best.keras` when its checkpoint is written.

        Args:
            epoch: its epoch.
            save_network: writes it to a path.
            metrics: its scores, which become `metrics.json`.
        """
        with atomic_file(self._best(epoch, ".keras"), is_durable=True) as part:
            save_network(part)
        write_json(self._best(epoch, ".json"), metrics, is_durable=True)

    def _update_files(self, checkpoint, before):
        """Update best network, scores and `history.csv` to the last checkpoint.

        Those of the previous checkpoint are kept as long as it is.
        """
        best, best_before = checkpoint.best_epoch, before.best_epoch
        for suffix, name in ((".keras", "best.keras"), (".json", "metrics.json")):
            staged, path = self._best(best, suffix), self.folder / name
            if staged.exists():
                kept = self._best(best_before, suffix)
                if best_before != best and path.exists() and not kept.exists():
                    # A link, because the network of the vgg head has 540 MB.
                    with atomic_file(kept) as part:
                        try:
                            os.link(path, part)
                        except OSError:  # a file system without hard links
                            shutil.copyfile(path, part)
                move_into_place(staged, path)
            for old in self.folder.glob(f"best-*{suffix}"):
                if old != self._best(best_before, suffix) or best_before == best:
                    old.unlink()
        for old in self.folder.glob("checkpoint-*.safetensors"):
            if old.name not in (checkpoint.state, before.state):
                old.unlink()
        if checkpoint.history:
            write_history(self.folder / "history.csv", checkpoint.history)

    def _best(self, epoch, suffix):
        return self.folder / f"best-{epoch:04}{suffix}"

    def _check_has_not_begun(self):
        """Refuse to train from epoch 1 in a folder with finished epochs."""
        left = ("best.keras", "metrics.json", "history.csv", self.before_file.name)
        found = [name for name in left if (self.folder / name).exists()]
        for path in (*self.folder.glob("checkpoint-*"), *self.folder.glob("samples/*")):
            # The first epoch writes its state and samples before its checkpoint.
            if re.match(r"(checkpoint|epoch)-(?!0000-|0001\b)\d{4}", path.name):
                found.append(path.name)
        if not found:
            return
        hint = "restore it from a backup"
        if self.before_file.exists():
            hint += (
                f", or rename {self.before_file} to it to resume from the previous "
                "checkpoint"
            )
        raise ValueError(
            f"{self.last_file} is missing, but {self.folder} has finished epochs: it "
            f"contains {summarize(found)}. To resume, {hint}"
        )


def write_history(path: Path, history: Sequence[dict]) -> None:
    """Write `history.csv`, one line per epoch.

    Args:
        path: the file; replaced atomically.
        history: one dict per finished epoch, at least one; missing values are left
            empty.
    """
    names = dict.fromkeys(name for row in history for name in row)
    with atomic_file(path) as part, part.open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(history)
