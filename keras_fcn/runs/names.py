"""Names of networks: bundled networks, and folders of runs and exported networks.

This module does not import Keras, so that a command refuses a wrong name at once.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from os import PathLike, fspath
from pathlib import Path

from keras_fcn.config import DEFAULT_NETWORK
from keras_fcn.errors import did_you_mean

FOLDER = Path(__file__).parents[1] / "pretrained"
CONFIG_FILE = "config.json"  # every run and packed network has it
WEIGHTS_FILE = "weights.safetensors"  # packed networks alone have it
_FILES = (
    "config.json", "classes.json", "metrics.json", "calibration.json", "card.json",
    "checkpoint*.json", "history.csv", "README.md", "model.*", "*.keras", "*.pb",
    "*.safetensors", "*.sha256", "samples/*", "tensorboard/*/*", "variables/*",
    "assets*/*",
)  # fmt: skip
_ALIAS = "pretrained"  # of the default network


def bundled_names() -> list[str]:
    """Return the names of the bundled networks, in order."""
    names = (path.parent.name for path in FOLDER.glob(f"*/{CONFIG_FILE}"))
    return sorted(name for name in names if not name.startswith("."))


def start_name(name: str | Path) -> str:
    """Return the name of a bundled network, or the absolute path of another.

    Args:
        name: as for `network_path`.
    """
    return full_name(name) if is_bundled(name) else str(Path(name).absolute())


def full_name(name: str | Path) -> str:
    """Replace "pretrained" by the name of the default network.

    Args:
        name: a name or a path.
    """
    return DEFAULT_NETWORK if str(name) == _ALIAS else str(name)


def is_bundled(name: str | Path) -> bool:
    """Return whether a network is bundled.

    Args:
        name: a name or a path.
    """
    return full_name(name) in bundled_names()


def network_path(name: str | PathLike) -> Path:
    """Return the folder of a network.

    Args:
        name: folder of a run, of a packed or of an exported network, the name of a
            bundled one, or "pretrained" for the default one.

    Raises:
        FileNotFoundError: if it is none of these.
        ValueError: if it is neither text nor a path.
    """
    if isinstance(name, PathLike):
        name = fspath(name)
    if not isinstance(name, str):
        raise ValueError(
            f"`name` must be a name or a path. Received: name={name!r:.60}"
        )
    if is_bundled(name):
        return FOLDER / full_name(name)
    path = Path(name)
    if not (path / CONFIG_FILE).is_file() and not is_exported(path):
        raise FileNotFoundError(
            f"{name} is not a run (it has no {CONFIG_FILE}), nor a bundled "
            f"network ({', '.join(bundled_names())}), nor an exported one (it has no "
            f"card.json){did_you_mean(str(name), bundled_names())}"
        )
    return path


def network_files(name: str | Path) -> list[Path]:
    """Return the files of a network, which no output may replace.

    Args:
        name: as for `network_path`. Evaluations in the folder of a run are left out.

    Raises:
        FileNotFoundError: as by `network_path`.
    """
    folder = network_path(name)
    return [path for pattern in _FILES for path in folder.glob(pattern)]


def is_exported(path: Path) -> bool:
    """Return whether a folder holds an exported network, complete or damaged.

    Args:
        path: the folder.
    """
    return exported_card(path).is_file()


def exported_card(path: Path) -> Path:
    """Return the file that describes an exported network.

    Args:
        path: the folder of the export.
    """
    in_saved_model = path / "assets.extra" / "card.json"
    return in_saved_model if in_saved_model.is_file() else path / "card.json"


def check_run(path: Path) -> None:
    """Check that a folder is a run.

    Args:
        path: the folder.

    Raises:
        FileNotFoundError: if it is not a run.
        ValueError: if it is a packed network.
    """
    if not (path / CONFIG_FILE).is_file():
        raise FileNotFoundError(
            f"{path} is not a run: it has no {CONFIG_FILE}, which a training writes"
        )
    if (path / WEIGHTS_FILE).is_file():
        raise ValueError(
            f"{path} is a packed network, not a run: start a run from it with "
            f"`init_from` {path}"
        )


@contextmanager
def reserved_folder(parent: Path, name: str) -> Iterator[Path]:
    """Create an empty folder that no other process uses, for the run of a block.

    Args:
        parent: folder of the runs; created if missing.
        name: name of the folder; `-2`, `-3`, ... is added if it exists already.

    Yields:
        The folder. It is removed after the block if it is still empty.
    """
    parent.mkdir(parents=True, exist_ok=True)
    for number in count(1):
        path = parent / (name if number == 1 else f"{name}-{number}")
        try:
            path.mkdir()  # fails for all processes but one
            break
        except FileExistsError:
            continue
    try:
        yield path
    finally:
        for folder in (path, parent):
            with suppress(OSError):  # it is not empty
                folder.rmdir()
