"""From where a training can go on: its last two checkpoints.

checkpoint.json         how far the training is, with its history
checkpoint-before.json  the same of the checkpoint before
checkpoint-EEEE.safetensors
                        the state after epoch EEEE
checkpoint-EEEE-SSSSSS.safetensors
                        the state SSSSSS steps into the epoch after it
best-EEEE.keras, best-EEEE.json
                        network and scores of epoch EEEE: about to become `best.keras`
                        and `metrics.json`, or those that were before

A checkpoint counts from the moment when `checkpoint.json` names it. That is replaced
when the state and the best network are on the disk, so that a kill, a full disk or a
loss of power at any moment leaves a whole one. All else follows from it, and is put
right by `restore` where the moment was after it.
"""

import csv
import logging
import os
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from keras_fcn.errors import shown, summarize
from keras_fcn.storage.atomic import (
    atomic_file,
    move_into_place,
    read_json,
    write_json,
)

logger = logging.getLogger(__name__)

_STATE = re.compile(r"checkpoint-\d{4,}(-\d{6,})?\.safetensors")
_LARGEST = sys.float_info.max
_NEEDED = "needed epoch, state and history, as a training writes them"


@dataclass(frozen=True)
class Checkpoint:
    """How far a training is.

    Attributes:
        epoch: epochs that are finished.
        step: steps of the next one that are done.
        state: name of the file with the state; None at the start.
        history: one dict of scores for each finished epoch, with its `epoch`.
    """

    epoch: int = 0
    step: int = 0
    state: str | None = None
    history: tuple[dict, ...] = ()

    @classmethod
    def at(cls, epoch: int, history: list[dict], step: int = 0) -> "Checkpoint":
        """Return the checkpoint of a moment, with the name that its state gets.

        Args:
            epoch: epochs that are finished.
            history: one dict of scores for each.
            step: steps of the next one that are done.
        """
        steps = f"-{step:06}" if step else ""
        return cls(
            epoch, step, f"checkpoint-{epoch:04}{steps}.safetensors", tuple(history)
        )

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
        if not isinstance(values, dict):
            raise ValueError(f"{path}: {_NEEDED}. Received: {shown(values)}")
        epoch, step = values.get("epoch"), values.get("step")
        state, history = values.get("state"), values.get("history")
        for name, value in (("epoch", epoch), ("step", step)):
            if type(value) is not int or value < 0:
                raise ValueError(
                    f"{path}: {name} must be a whole number from 0 on. "
                    f"Received: {shown(value)}"
                )
        if not isinstance(state, str) or not _STATE.fullmatch(state):
            raise ValueError(
                f"{path}: state must be the name of a file of the run, as in "
                f"checkpoint-0001.safetensors. Received: {shown(state)}"
            )
        if not isinstance(history, list) or len(history) != epoch:
            raise ValueError(
                f"{path}: history must have one entry for each of the {epoch} epochs. "
                f"Received: {shown(history)}"
            )
        for number, row in enumerate(history, start=1):
            if not _is_row(row, number):
                raise ValueError(
                    f"{path}: entry {number} of history must have numbers by name, "
                    f"epoch {number} and val_mean_iou among them. "
                    f"Received: {shown(row)}"
                )
        return cls(epoch, step, state, tuple(history))

    @property
    def best_epoch(self) -> int:
        """The epoch with the best validation mean IoU, the first of equals; 0 at first.

        Its network is `best.keras`.
        """
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
    """The checkpoints of a run, and what follows from them.

    Args:
        folder: the run's.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    @property
    def last_file(self) -> Path:
        """File of the last checkpoint."""
        return self.folder / "checkpoint.json"

    @property
    def before_file(self) -> Path:
        """File of the checkpoint before."""
        return self.folder / "checkpoint-before.json"

    def read(self) -> list[Checkpoint]:
        """Read the checkpoints that are whole, the last one first.

        A damaged file is told of. The states are not looked at.

        Returns:
            At least one; for a run that has finished no epoch an empty one.

        Raises:
            ValueError: if none is whole, or there is none though epochs have been
                finished.
            OSError: if a file can't be read.
        """
        if not self.last_file.exists():
            self._check_has_not_begun()
            return [Checkpoint()]
        whole, errors = [], []
        for path in (self.last_file, self.before_file):
            try:
                if path.exists():
                    whole.append(Checkpoint.read(path))
            except ValueError as error:
                errors.append(str(error))
        if not whole:
            raise ValueError("; ".join(errors))
        for error in errors:
            logger.warning("%s; the other checkpoint is taken", error)
        return whole

    def write(
        self,
        checkpoint: Checkpoint,
        before: Checkpoint,
        save_state: Callable[[Path], None],
    ) -> None:
        """Make a checkpoint the last one, with all that follows from it.

        Args:
            checkpoint: the new one. Where its own epoch is the best, `stage_best` has
                been called.
            before: the one that was the last until now.
            save_state: writes the state to a path.

        Raises:
            OSError: if something can't be written; the checkpoint before stays.
        """
        with atomic_file(self.folder / checkpoint.state, is_durable=True) as part:
            save_state(part)
        if before.state is not None:
            write_json(self.before_file, asdict(before), is_durable=True)
        write_json(self.last_file, asdict(checkpoint), is_durable=True)
        self._follow(checkpoint, before)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Bring a run to where a checkpoint is, before the training goes on from it.

        Args:
            checkpoint: one that `read` gave, whose state is whole.

        Raises:
            OSError: if something can't be written.
        """
        if checkpoint.state is None:
            for path in self.folder.glob("best-*"):
                path.unlink()
            return
        write_json(self.last_file, asdict(checkpoint), is_durable=True)
        before = checkpoint
        if self.before_file.exists():
            try:
                before = Checkpoint.read(self.before_file)
            except ValueError:
                self.before_file.unlink()
        self._follow(checkpoint, before)

    def is_complete(self, checkpoint: Checkpoint) -> bool:
        """Whether all that follows from a checkpoint is there.

        A kill between the two leaves it for `restore`.

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
        """Write the network that becomes `best.keras` with its epoch's checkpoint.

        Args:
            epoch: its epoch.
            save_network: writes it to a path.
            metrics: its scores, which become `metrics.json`.
        """
        with atomic_file(self._best(epoch, ".keras"), is_durable=True) as part:
            save_network(part)
        write_json(self._best(epoch, ".json"), metrics, is_durable=True)

    def _follow(self, checkpoint, before):
        """Let best network, scores and `history.csv` be those of the last checkpoint.

        Those of the one before are kept as long as it is.
        """
        best, best_before = checkpoint.best_epoch, before.best_epoch
        for suffix, name in ((".keras", "best.keras"), (".json", "metrics.json")):
            staged, path = self._best(best, suffix), self.folder / name
            if staged.exists():
                kept = self._best(best_before, suffix)
                if best_before != best and path.exists() and not kept.exists():
                    _copy(path, kept)
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
        """Refuse to begin anew where epochs have been finished."""
        left = ("best.keras", "metrics.json", "history.csv", self.before_file.name)
        found = [name for name in left if (self.folder / name).exists()]
        for path in (*self.folder.glob("checkpoint-*"), *self.folder.glob("samples/*")):
            # The first epoch writes its state and samples before its checkpoint.
            if re.match(r"(checkpoint|epoch)-(?!0000-|0001\b)\d{4}", path.name):
                found.append(path.name)
        if not found:
            return
        hint = "put it back from a copy"
        if self.before_file.exists():
            hint += (
                f", or go on from the checkpoint before by renaming {self.before_file} "
                "to it"
            )
        raise ValueError(
            f"{self.last_file} is missing, but {self.folder} has finished epochs: it "
            f"has {summarize(found)}. To go on, {hint}"
        )


def write_history(path: Path, history: Sequence[dict]) -> None:
    """Write `history.csv`, one line per epoch.

    Args:
        path: the file; it is replaced whole.
        history: one dict per finished epoch, at least one; what one of them lacks is
            left empty.
    """
    names = dict.fromkeys(name for row in history for name in row)
    with atomic_file(path) as part, part.open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(history)


def _copy(source, target):
    """Give a file a second name; where the disk has no such names, a copy."""
    with atomic_file(target) as part:
        try:
            os.link(source, part)
        except OSError:
            shutil.copyfile(source, part)


def _is_row(row, number):
    return (
        isinstance(row, dict)
        and "val_mean_iou" in row
        and all(type(v) in (int, float) and abs(v) <= _LARGEST for v in row.values())
        and row.get("epoch") == number
    )
