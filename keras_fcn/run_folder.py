"""A run is a folder: what a training leaves, and what the other commands start from.

runs/NAME/
  config.json        the configuration, and versions of what it ran with
  classes.json       names, colours and void
  best.keras         the network with the best validation mean IoU; the last where
                     validation images are trained on (--partition train+val)
  checkpoint.json    how far the training is, with its history
  checkpoint-EEEE.npz  its state after epoch EEEE
  history.csv        one line per epoch
  metrics.json       validation scores of best.keras
  tensorboard/       train/ and validation/
  samples/           image | truth | prediction | error after each epoch, and the
                     predictions alone
"""

import csv
import json
import os
import platform
import shutil
import subprocess
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from shlex import quote
from zipfile import BadZipFile

import keras

from keras_fcn.classes import ClassMap
from keras_fcn.config import TrainingConfig
from keras_fcn.files import write_json, written_beside

RUNS = Path("runs")


@dataclass(frozen=True)
class RunFolder:
    """Paths of a run, and reading and writing of its small files."""

    path: Path

    @classmethod
    def create(
        cls, path: Path, config: TrainingConfig, class_map: ClassMap
    ) -> "RunFolder":
        """Make the folder of a new run.

        Args:
            path: the folder; not there yet, or empty.
            config: written to `config.json`.
            class_map: written to `classes.json`.

        Raises:
            FileExistsError: if there is a run or anything else already.
        """
        cls(path).check_is_free()
        path.parent.mkdir(parents=True, exist_ok=True)
        part = cls(path.with_name(f".part-{path.name}"))
        shutil.rmtree(part.path, ignore_errors=True)  # of a training that was killed
        for folder in (part.tensorboard, part.samples):
            folder.mkdir(parents=True)
        class_map.save(part.path / "classes.json")
        write_json(
            part.path / "config.json",
            {
                "config": asdict(config),
                "versions": versions(),
                "git_commit": git_commit(),
            },
        )
        os.replace(part.path, path)
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """Open the folder of a run that is there.

        Args:
            path: the folder.

        Raises:
            FileNotFoundError: if it is not a run.
            ValueError: if it is a packed network.
        """
        path = Path(path)
        if not (path / "config.json").is_file():
            raise FileNotFoundError(
                f"{path} is not a run: it has no config.json. Runs are made by train.py"
            )
        if (path / "weights.npz").is_file():
            raise ValueError(
                f"{path} is a packed network, not a run: train on with --init-from "
                f"{path}"
            )
        return cls(path)

    def check_is_free(self) -> None:
        """Raise FileExistsError if something is at the path already."""
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise FileExistsError(
                f"{self.path} exists already: go on with it by --resume {self.path}, "
                "or choose another --run-dir"
            )

    @property
    def best_model(self) -> Path:
        """File of the network that is kept: see above."""
        return self.path / "best.keras"

    @property
    def checkpoint(self) -> Path:
        """File that says how far the training is."""
        return self.path / "checkpoint.json"

    @property
    def tensorboard(self) -> Path:
        """Folder of TensorBoard's event files."""
        return self.path / "tensorboard"

    @property
    def samples(self) -> Path:
        """Folder of the pictures drawn after each epoch."""
        return self.path / "samples"

    def read_config(self) -> TrainingConfig:
        """Read the configuration that the run was started with."""
        path = self.path / "config.json"
        try:
            return TrainingConfig.from_json(_read_json(path)["config"])
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} was not written by train.py ({error})") from error

    def read_class_map(self) -> ClassMap:
        """Read the run's classes."""
        return ClassMap.load(self.path / "classes.json")

    def check_classes(self, class_map: ClassMap) -> None:
        """Check that data have the classes that the run was trained for.

        Args:
            class_map: the data's classes; their names count, in their order.

        Raises:
            ValueError: if they are others.
        """
        names = self.read_class_map().names
        if names != class_map.names:
            raise ValueError(
                f"{self.path} was trained for the classes {', '.join(names)}. "
                f"Received data with: {', '.join(class_map.names)}"
            )

    def load_best_model(self) -> keras.Model:
        """Load the network that is kept, `best.keras`.

        Raises:
            FileNotFoundError: if the run has finished no epoch.
            ValueError: if the file is damaged.
        """
        if not self.best_model.is_file():
            raise FileNotFoundError(
                f"{self.path} has no best.keras: its first epoch is not finished"
            )
        try:
            return keras.saving.load_model(self.best_model, compile=False)
        except (OSError, KeyError, ValueError, RuntimeError, BadZipFile) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise ValueError(
                f"{self.best_model} can't be loaded: it is damaged ({reason})"
            ) from error

    def summary(self) -> str:
        """Tell a person what the training gave and where it is."""
        metrics = _read_json(self.path / "metrics.json")
        is_seen = metrics.get("partition") == "train+val"
        return "\n".join(
            [
                f"{'Last' if is_seen else 'Best'} epoch {metrics['epoch']}: validation "
                f"mean IoU "
                f"{metrics['mean_iou']:.1%}, pixel accuracy "
                f"{metrics['pixel_accuracy']:.1%}"
                + (", of images that were trained on" if is_seen else ""),
                f"Network:     {self.best_model}",
                f"Pictures:    {self.samples}/",
                f"Curves:      tensorboard --logdir {quote(str(self.path.parent))}",
            ]
        )

    def read_checkpoint(self) -> dict:
        """Read how far the training is: `epoch`, `state` (a file name) and `history`.

        Returns:
            The checkpoint; epoch 0 with no history before the first is finished.
        """
        if not self.checkpoint.is_file():
            return {"epoch": 0, "state": None, "history": []}
        return _read_json(self.checkpoint)

    def remove_unfinished_files(self) -> None:
        """Remove what a killed training was about to write."""
        for part in self.path.rglob(".part-*"):
            part.unlink()

    def write_history(self, history: list[dict]) -> None:
        """Write `history.csv`, one line per epoch.

        Args:
            history: one dict per finished epoch, at least one, all with the same keys.
        """
        with written_beside(self.path / "history.csv") as part:
            with part.open("w", newline="") as file:
                writer = csv.DictWriter(file, fieldnames=list(history[0]))
                writer.writeheader()
                writer.writerows(history)


def save_model(model: keras.Model, path: Path) -> None:
    """Save a network as `.keras`, beside and renamed.

    Args:
        model: the network.
        path: where to; ends in `.keras`.
    """
    with written_beside(path) as part:
        model.save(part)


def _read_json(path):
    try:
        return json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results depend on."""
    packages = ("keras", "tensorflow", "tensorflow-datasets", "numpy")
    return {
        "python": platform.python_version(),
        "backend": keras.backend.backend(),
        **{package: version(package) for package in packages},
    }


def git_commit() -> str | None:
    """Return the commit of the checkout that this file is in; None without one."""
    try:
        result = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return result.stdout.strip()
