"""Opening a network by its name: a bundled network, a run, or an exported network."""

import logging
from dataclasses import replace
from os import PathLike, fspath
from typing import TYPE_CHECKING

from keras_fcn.config import DEFAULT_NETWORK
from keras_fcn.errors import check_choice
from keras_fcn.runs.exported import ExportedFolder
from keras_fcn.runs.folder import RunFolder
from keras_fcn.runs.names import (
    bundled_names,
    full_name,
    is_bundled,
    is_exported,
    network_path,
)
from keras_fcn.runs.network_folder import NetworkFolder
from keras_fcn.runs.packed import PackedFolder

if TYPE_CHECKING:
    import keras

logger = logging.getLogger(__name__)


def find_network(name: str | PathLike, exported: bool = False) -> NetworkFolder:
    """Open the folder of a run, a packed network or a bundled one.

    Args:
        name: folder of a run or of a packed network, the name of a bundled one, or
            "pretrained" for the default one.
        exported: accept an exported network too, whose `load_model` does not return a
            Keras model.

    Raises:
        FileNotFoundError: if it is none of these.
        ValueError: if it is an exported network and these are not accepted.
    """
    path = network_path(name)
    if is_exported(path):
        folder = ExportedFolder(path)
        return folder if exported else folder.refuse()
    packed = PackedFolder(path)
    # Any of its files makes it a packed network, so that the missing one is named.
    files = (packed.weights_file, packed.checksum_file)
    is_packed = is_bundled(fspath(name)) or any(file.is_file() for file in files)
    return packed if is_packed else RunFolder(path)


def from_pretrained(
    name: str = DEFAULT_NETWORK, num_classes: int | None = None
) -> "keras.Model":
    """Return a bundled network with its trained weights.

    Its classes, in the order of the logits, are `keras_fcn.load(name).class_map`. Like
    `FCN`, it computes in Keras's global dtype policy. All layers are trainable.

    Args:
        name: "fcn8s-camvid", FCN-8s with the compact head for CamVid's 11 classes, or
            "pretrained" for the default.
        num_classes: number of classes to fine-tune for, without void. The layers that
            compute and upsample logits are then re-initialized, and their names logged.
            None for the classes that the network was trained for.

    Returns:
        A network of `keras_fcn.FCN`.

    Raises:
        ValueError: if there is no network of that name, or its file is damaged.
    """
    from keras_fcn.models.fcn import build_network
    from keras_fcn.models.weights import transfer_weights

    name = full_name(name)
    check_choice("name", name, bundled_names())
    folder = PackedFolder(network_path(name))
    trained = folder.build_model()
    if num_classes is None:
        return trained
    architecture = replace(folder.read_architecture(), num_classes=num_classes)
    model = build_network(architecture, weights=None)
    fresh = transfer_weights(trained, model, keep_logits=False)
    logger.warning("Started from %s; re-initialized: %s", name, ", ".join(fresh))
    return model
