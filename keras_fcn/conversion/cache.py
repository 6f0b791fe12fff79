"""The cache of networks that were converted for another runtime.

CACHE/networks/
  KEY/network/      the converted network; see `runs/exported.py`
  KEY/fingerprint   checksum of its files
  KEY.lock          while a process converts it

KEY is a checksum of the network's files, the format, the precision and the version of
this package, so that a changed network is converted again. An entry appears complete,
can be deleted at any time, and is rebuilt if it is damaged. The entries that were used
last are kept.
"""

import hashlib
import logging
import os
import shutil
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import platformdirs

from keras_fcn.conversion.startup import start_keras
from keras_fcn.errors import one_line
from keras_fcn.runs.exported import LONGEST_REASON, ExportedFolder, ExportedModel
from keras_fcn.runs.network_folder import NetworkFolder
from keras_fcn.runs.runtimes import NAMES, MissingRuntime
from keras_fcn.storage.atomic import TEMPORARY, atomic_folder, move_into_place
from keras_fcn.storage.locks import lock
from keras_fcn.version import __version__

logger = logging.getLogger(__name__)

_MAX_BYTES = 2 * 2**30  # of all entries: 30 networks with the compact head, 4 with vgg


def cache_dir() -> Path:
    """Return the folder of converted networks.

    It is `networks` in `KERAS_FCN_CACHE_DIR`, or in the user's cache folder,
    `~/.cache/keras-fcn` on Linux.
    """
    folder = os.environ.get("KERAS_FCN_CACHE_DIR")
    return Path(folder or platformdirs.user_cache_dir("keras-fcn"), "networks")


def is_converted(network: NetworkFolder, format: str, precision: str) -> bool:
    """Return whether the cache has a network; it may turn out to be damaged.

    Args:
        network: a run, or a packed or bundled network.
        format: "openvino" or "onnx".
        precision: "float32" or "int8".
    """
    return _entry(network, format, precision).is_dir()


def load_converted(
    network: NetworkFolder, format: str, precision: str
) -> tuple[ExportedModel, dict]:
    """Load a network in another runtime, converted now or earlier.

    The conversion imports TensorFlow and Keras; loading a converted network does not.
    If the cache cannot be written, a warning is logged and the network is converted for
    this process alone.

    Args:
        network: a run, or a packed or bundled network.
        format: "openvino" or "onnx".
        precision: "float32"; or "int8", calibrated with `usual_calibration`.

    Returns:
        The network, at temperature 1, and its card.

    Raises:
        ValueError: if a package is missing, the network cannot be converted, or its
            folder is damaged.
        OSError: if a file of the network is missing.
    """
    entry = _entry(network, format, precision)
    if (loaded := _load_entry(entry)) is not None:
        return loaded
    with ExitStack() as stack:
        part = _work_folder(entry, stack)
        # Another process may have converted it while this one waited for the lock.
        if (loaded := _load_entry(entry, warns=True)) is not None:
            return loaded
        _convert(network, part / "network", format, precision)
        converted = ExportedFolder(part / "network")
        loaded = converted.load_model(), converted.read_card()
        _check_runs(loaded[0], network, format)
        (part / "fingerprint").write_text(converted.fingerprint())
        if entry.parent in part.parents:
            # A damaged one: folder, file or link. It is removed with the work folder.
            with suppress(FileNotFoundError):
                os.replace(entry, part.with_name("damaged"))
            move_into_place(part, entry)
            _remove_oldest(entry)
        return loaded


def _entry(network: NetworkFolder, format: str, precision: str) -> Path:
    key = " ".join((network.fingerprint(), format, precision, __version__))
    return cache_dir() / hashlib.sha256(key.encode()).hexdigest()[:32]


def _load_entry(entry: Path, warns: bool = False) -> tuple[ExportedModel, dict] | None:
    """Load an entry; None if there is none, or it is damaged."""
    if not os.path.lexists(entry):
        return None
    converted = ExportedFolder(entry / "network")
    try:
        if (entry / "fingerprint").read_text() != converted.fingerprint():
            raise ValueError(f"{entry} has changed since it was written")
        loaded = converted.load_model(), converted.read_card()
    except MissingRuntime:
        raise
    except (OSError, ValueError) as error:
        if warns:
            logger.warning("A converted network is damaged and is rebuilt: %s", error)
        return None
    with suppress(OSError):
        os.utime(entry)  # the time of its last use
    return loaded


def _work_folder(entry: Path, stack: ExitStack) -> Path:
    """Make a locked folder next to an entry, or a temporary one if that fails."""
    folder = entry.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stack.enter_context(
            lock(folder / f"{entry.name}.lock", waits="converts this network")
        )
        return stack.enter_context(atomic_folder(folder))
    except OSError as error:
        logger.warning(
            "The converted network is not kept for the next time: %s can't be written "
            "(%s). KERAS_FCN_CACHE_DIR names another folder",
            folder,
            error.strerror,
        )
        return Path(stack.enter_context(TemporaryDirectory(prefix=TEMPORARY)))


def _convert(network: NetworkFolder, folder: Path, format: str, precision: str) -> None:
    """Write a network in a format, by Keras on TensorFlow."""
    with _backend_for_conversion():
        start_keras()
    import keras

    if (backend := keras.backend.backend()) != "tensorflow":
        raise ValueError(
            "Converting a network requires Keras on TensorFlow, once: set "
            f"KERAS_BACKEND=tensorflow. Received: {backend}"
        )
    from keras_fcn.conversion.calibration import usual_calibration
    from keras_fcn.conversion.convert import write_network

    logger.info("Converting %s for %s, once", network.name, NAMES[format])
    folder.mkdir()
    write_network(
        network,
        folder,
        format,
        precision,
        size=network.read_training_size(),
        temperature=1.0,  # the inference mode applies that of the network
        calibration=usual_calibration(network) if precision == "int8" else None,
    )


@contextmanager
def _backend_for_conversion() -> Iterator[None]:
    """Import Keras on TensorFlow in a block, if it has not been imported."""
    before = os.environ.get("KERAS_BACKEND")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    try:
        yield
    finally:
        if before is None:  # else `auto` would select Keras from now on
            del os.environ["KERAS_BACKEND"]
        else:
            os.environ["KERAS_BACKEND"] = before


def _check_runs(model: ExportedModel, network: NetworkFolder, format: str) -> None:
    """Refuse a network with an operation that the runtime lacks."""
    try:
        model.label_maps(np.zeros((1, 32, 32, 3), "uint8"))
    except Exception as error:  # each runtime has its own exceptions
        reason = textwrap.shorten(one_line(error), LONGEST_REASON)
        raise ValueError(
            f"{NAMES[format]} can't run {network.path}: use `runtime` tensorflow "
            f"({reason})"
        ) from error


def _remove_oldest(newest: Path) -> None:
    """Remove the entries that were used least recently, while all are too large."""
    entries = [path for path in newest.parent.glob("[!.]*") if path.is_dir()]
    total = 0
    with suppress(OSError):  # another process removes them too
        for entry in sorted(entries, key=os.path.getmtime, reverse=True):
            total += sum(path.stat().st_size for path in entry.rglob("*"))
            if total > _MAX_BYTES and entry != newest:
                shutil.rmtree(entry, ignore_errors=True)
