"""The folder of a run: the results of a training, and the input of other commands.

runs/NAME/
  config.json        the configuration, and the versions used
  classes.json       names, colors and void
  best.keras         the network with the best validation mean IoU
  metrics.json       its validation scores
  calibration.json   the temperature of its probabilities, when the training has ended
  checkpoint.json    progress of the training, with its history; see `checkpoints.py`
  history.csv        one line per epoch
  tensorboard/       train/ and validation/
  samples/           image | truth | prediction | error after each epoch, and the
                     predictions alone
  training.lock      exists while a process trains it
"""

import csv
import logging
import platform
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from keras_fcn.classes import ClassMap
from keras_fcn.config import TrainingConfig
from keras_fcn.datasets.fingerprint import describe_changes
from keras_fcn.errors import one_line, shown
from keras_fcn.runs.checkpoints import Checkpoint, Checkpoints
from keras_fcn.runs.names import check_run
from keras_fcn.runs.network_folder import NetworkFolder
from keras_fcn.storage.atomic import (
    atomic_folder,
    move_into_place,
    read_json,
    write_json,
)
from keras_fcn.storage.locks import Locked, lock
from keras_fcn.version import __version__

if TYPE_CHECKING:
    import keras

logger = logging.getLogger(__name__)


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
        data: Mapping[str, Mapping[str, int]] | None = None,
    ) -> "RunFolder":
        """Make the folder of a new run.

        Args:
            path: the folder; it does not exist or is empty.
            config: written to `config.json`.
            class_map: written to `classes.json`.
            training_size: median of the training images' shorter sides, pixels; written
                to `config.json`. None if it is unknown.
            data: fingerprints of the splits, written to `config.json`; None if they are
                unknown.

        Raises:
            FileExistsError: if the folder exists and is not empty.
        """
        run = cls(path)
        run.check_is_free()
        # In the same folder, because a rename within one file system is atomic.
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
                    "data": data,
                    "versions": versions(),
                    "git_commit": git_commit(),
                },
            )
            try:
                move_into_place(part_path, path)
            except OSError:
                run.check_is_free()  # another process has made it in the meantime
                raise
        return run

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """Open the folder of an existing run.

        Args:
            path: the folder.

        Raises:
            FileNotFoundError: if it is not a run.
            ValueError: if it is a packed network.
        """
        check_run(Path(path))
        return cls(Path(path))

    def check_data(
        self, data: Mapping[str, Mapping[str, int]], is_accepted: bool, epoch: int
    ) -> None:
        """Check that the data are those of the epochs before, and record them.

        Args:
            data: fingerprints of the splits.
            is_accepted: record other data in `config.json`, instead of refusing them.
            epoch: the last finished epoch.

        Raises:
            ValueError: if they differ; describes the changes.
        """
        description = self.read_description()
        before = description.get("data")
        if before == data:
            return
        if before is not None:  # None: a run of version 0.3.0
            recorded = description.setdefault("data_changes", [])
            if not isinstance(recorded, list):
                raise ValueError(
                    f"{self.config_file}: expected data_changes as a list, got "
                    f"{shown(recorded)}"
                )
            try:
                changes = describe_changes(before, data)
            except (AttributeError, TypeError) as error:
                raise ValueError(
                    f"{self.config_file}: expected data with checksums by split, got "
                    f"{shown(before)}"
                ) from error
            if not is_accepted:
                raise ValueError(
                    f"The data have changed since {self.path} was trained: {changes}. "
                    "Restore them, start a new run from it by `init_from`, or resume "
                    "with `accept_changed_data`: scores before and after can't be "
                    "compared"
                )
            logger.warning("The data have changed after epoch %d: %s", epoch, changes)
            recorded.append({"after_epoch": epoch, "changes": changes})
        write_json(self.config_file, description | {"data": data})

    def check_is_free(self) -> None:
        """Raise FileExistsError if the path exists and is not an empty folder."""
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise FileExistsError(
                f"{self.path} exists already: `resume` {self.path}, or choose another "
                "`run_dir`"
            )

    @property
    def weights_files(self) -> list[Path]:
        """The file `best.keras`."""
        return [self.best_model]

    @property
    def best_model(self) -> Path:
        """File of the network with the best validation mean IoU."""
        return self.path / "best.keras"

    @property
    def checkpoints(self) -> Checkpoints:
        """The checkpoints of its training."""
        return Checkpoints(self.path)

    @property
    def tensorboard(self) -> Path:
        """Folder of TensorBoard's event files."""
        return self.path / "tensorboard"

    @property
    def samples(self) -> Path:
        """Folder of the sample images drawn after each epoch."""
        return self.path / "samples"

    def load_model(self) -> "keras.Model":
        """Load `best.keras`, in the precision of its training.

        Raises:
            FileNotFoundError: if the run has finished no epoch.
            ValueError: if the file is damaged, or not a network of this package.
        """
        from keras_fcn.models.weights import check_finite, variables_by_name
        from keras_fcn.runs.saved_network import load_network

        self._check_epoch()
        model = load_network(self.best_model)
        check_finite(variables_by_name(model), self.best_model)
        return model

    def fingerprint(self) -> str:
        """Return a checksum of all files that affect the network's predictions.

        Raises:
            FileNotFoundError: if the run has finished no epoch.
        """
        self._check_epoch()
        return super().fingerprint()

    def _check_epoch(self):
        if not self.best_model.is_file():
            raise FileNotFoundError(
                f"{self.path} has no best.keras: its first epoch is not finished"
            )

    def read_weights(self) -> Mapping[str, "keras.Variable"]:
        """Return the variables of `best.keras` by layer and name."""
        from keras_fcn.models.weights import variables_by_name

        return variables_by_name(self.load_model())

    def read_metrics(self) -> dict:
        """Read the validation scores of `best.keras`, with its `epoch`.

        Raises:
            ValueError: if the file is damaged; names it.
            OSError: if it can't be read.
        """
        metrics = read_json(self.metrics_file)
        if not isinstance(metrics, dict):
            raise ValueError(
                f"{self.metrics_file}: expected scores by name, got {shown(metrics)}"
            )
        for name in ("epoch", "mean_iou", "pixel_accuracy"):
            if type(metrics.get(name)) not in (int, float):  # a bool is an int, too
                raise ValueError(
                    f"{self.metrics_file}: {name} must be a number, "
                    f"got {shown(metrics.get(name))}"
                )
        return metrics

    def read_checkpoint(self) -> Checkpoint:
        """Read the last valid checkpoint; one of epoch 0 before the first.

        Raises:
            ValueError: if both checkpoints are damaged.
            OSError: if it can't be read.
        """
        return self.checkpoints.read()[0]

    def read_history(self) -> list[dict[str, str]]:
        """Read `history.csv`.

        Returns:
            One dict per finished epoch; all values are text.

        Raises:
            ValueError: if no epoch is finished, or the file is damaged; names it.
        """
        path = self.path / "history.csv"
        if not path.is_file():
            raise ValueError(f"{self.path} has no history.csv: no epoch is finished")
        try:
            with path.open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            for row in rows:  # cells may be empty; missing ones are None
                int(row["epoch"])
                [float(cell) for cell in row.values() if cell != ""]
        except (ValueError, KeyError, TypeError, csv.Error) as error:
            raise ValueError(f"{path} is damaged ({one_line(error)})") from error
        return rows

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Prevent other processes from training the run during a block.

        Raises:
            ValueError: if another process trains it; names its pid and host.
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(lock(self.path / "training.lock"))
            except Locked as error:
                raise ValueError(
                    f"{self.path} is being trained by {error}: wait for it, or stop it"
                ) from error
            yield


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that affect the results."""
    import keras

    packages = ("keras", "tensorflow", "tensorflow-datasets", "numpy")
    return {
        "keras-fcn": __version__,
        "python": platform.python_version(),
        "backend": keras.backend.backend(),
        **{package: version(package) for package in packages},
    }


def git_commit() -> str | None:
    """Return the commit of this package's git checkout; None without one."""
    here = Path(__file__)
    # An installed package may lie within the checkout of another project.
    is_tracked = _git(here, "ls-files", here.name)
    return _git(here, "rev-parse", "HEAD") if is_tracked else None


def _git(file, *arguments):
    """Return the output of git in a file's folder; None if it fails."""
    try:
        result = subprocess.run(
            ["git", "-C", str(file.parent), *arguments],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):  # no git, or no checkout
        return None
    return result.stdout.strip()
