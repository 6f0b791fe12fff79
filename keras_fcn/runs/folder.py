"""A run is a folder: what a training leaves, and what the other commands start from.

runs/NAME/
  config.json        the configuration, and versions of what it ran with
  classes.json       names, colours and void
  best.keras         the network with the best validation mean IoU
  metrics.json       its validation scores
  checkpoint.json    how far the training is, with its history; see `checkpoints.py`
  history.csv        one line per epoch
  tensorboard/       train/ and validation/
  samples/           image | truth | prediction | error after each epoch, and the
                     predictions alone
  training.lock      there while a process trains it
"""

import platform
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import keras

from keras_fcn.classes import ClassMap
from keras_fcn.config import TrainingConfig
from keras_fcn.errors import shown
from keras_fcn.models.weights import variables_by_name
from keras_fcn.runs.checkpoints import Checkpoint, Checkpoints
from keras_fcn.runs.names import check_run
from keras_fcn.runs.network_folder import NetworkFolder
from keras_fcn.runs.saved_network import load_network
from keras_fcn.storage.atomic import (
    atomic_file,
    atomic_folder,
    move_into_place,
    read_json,
    write_json,
)
from keras_fcn.storage.locks import Locked, lock
from keras_fcn.version import __version__


@dataclass(frozen=True)
class RunFolder(NetworkFolder):
    """Paths of a run, and reading and writing of its small files."""

    @classmethod
    def create(
        cls,
        path: Path,
        config: TrainingConfig,
        class_map: ClassMap,
        training_size: int | None = None,
    ) -> "RunFolder":
        """Make the folder of a new run.

        Args:
            path: the folder; not there yet, or empty.
            config: written to `config.json`.
            class_map: written to `classes.json`.
            training_size: median of the training images' shorter sides, pixels, which
                goes into `config.json`; None where it is not known.

        Raises:
            FileExistsError: if there is a run or anything else already.
        """
        run = cls(path)
        run.check_is_free()
        with atomic_folder(path.parent) as part_path:
            part = cls(part_path)
            part.tensorboard.mkdir()
            part.samples.mkdir()
            class_map.save(part.classes_file)
            write_json(
                part.config_file,
                {
                    "config": asdict(config),
                    "training_size": training_size,
                    "versions": versions(),
                    "git_commit": git_commit(),
                },
            )
            try:
                move_into_place(part_path, path)
            except OSError:
                run.check_is_free()  # another process has made it meanwhile
                raise
        return run

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """Open the folder of a run that is there.

        Args:
            path: the folder.

        Raises:
            FileNotFoundError: if it is not a run.
            ValueError: if it is a packed network.
        """
        check_run(Path(path))
        return cls(Path(path))

    def check_is_free(self) -> None:
        """Raise FileExistsError if something is at the path already."""
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise FileExistsError(
                f"{self.path} exists already: go on with it by `resume` {self.path}, "
                "or choose another `run_dir`"
            )

    @property
    def weights_files(self) -> list[Path]:
        return [self.best_model]

    @property
    def best_model(self) -> Path:
        """File of the network with the best validation mean IoU."""
        return self.path / "best.keras"

    @property
    def checkpoints(self) -> Checkpoints:
        """From where its training can go on."""
        return Checkpoints(self.path)

    @property
    def tensorboard(self) -> Path:
        """Folder of TensorBoard's event files."""
        return self.path / "tensorboard"

    @property
    def samples(self) -> Path:
        """Folder of the pictures drawn after each epoch."""
        return self.path / "samples"

    def load_model(self) -> keras.Model:
        """Load the network that is kept, `best.keras`, as it was trained.

        Raises:
            FileNotFoundError: if the run has finished no epoch.
            ValueError: if the file is damaged, or of something else.
        """
        if not self.best_model.is_file():
            raise FileNotFoundError(
                f"{self.path} has no best.keras: its first epoch is not finished"
            )
        return load_network(self.best_model)

    def read_weights(self) -> Mapping[str, keras.Variable]:
        return variables_by_name(self.load_model())

    def read_metrics(self) -> dict:
        """Read the validation scores of `best.keras`, with its `epoch`.

        Raises:
            ValueError: if the file is damaged; names it.
            OSError: if it can't be read.
        """
        metrics = read_json(self.metrics_file)
        for name in ("epoch", "mean_iou", "pixel_accuracy"):
            value = metrics.get(name) if isinstance(metrics, dict) else None
            if type(value) not in (int, float):
                raise ValueError(
                    f"{self.metrics_file}: {name} must be a number. "
                    f"Received: {shown(value)}"
                )
        return metrics

    def read_checkpoint(self) -> Checkpoint:
        """Read how far the training is; epoch 0 before the first is finished.

        Raises:
            ValueError: if no checkpoint of it is whole.
            OSError: if it can't be read.
        """
        return self.checkpoints.read()[0]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from training the run in a block.

        Raises:
            ValueError: if one does; tells its process and host.
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(lock(self.path / "training.lock"))
            except Locked as error:
                raise ValueError(
                    f"{self.path} is being trained by {error}: wait for it, or stop it"
                ) from error
            yield


def save_model(model: keras.Model, path: Path) -> None:
    """Save a network as `.keras`, beside and renamed.

    Args:
        model: the network.
        path: where to; ends in `.keras`.
    """
    with atomic_file(path) as part:
        model.save(part)


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results depend on."""
    packages = ("keras", "tensorflow", "tensorflow-datasets", "numpy")
    return {
        "keras-fcn": __version__,
        "python": platform.python_version(),
        "backend": keras.backend.backend(),
        **{package: version(package) for package in packages},
    }


def git_commit() -> str | None:
    """Return the commit of the checkout that this file is part of; None without one.

    An installed package may lie within a checkout of something else.
    """
    here = Path(__file__)
    return (
        _git(here, "rev-parse", "HEAD") if _git(here, "ls-files", here.name) else None
    )


def _git(file, *arguments):
    """What git says in a file's folder; None where it fails."""
    try:
        result = subprocess.run(
            ["git", "-C", str(file.parent), *arguments],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return result.stdout.strip()
