"""Where a network's weights come from: VGG16's ImageNet file, or another FCN.

Nothing is skipped in silence: a weight that is missing or of another shape is an
error, and what starts anew is logged.
"""

import logging
from pathlib import Path

import h5py
import keras
import numpy as np

from keras_fcn.downloads import fetch

logger = logging.getLogger(__name__)

VGG16_URL = (
    "https://storage.googleapis.com/tensorflow/keras-applications/vgg16/"
    "vgg16_weights_tf_dim_ordering_tf_kernels.h5"
)
_VGG16_MD5 = "64373286793e3c8b2b4e3219cbf3544b"  # keras/src/applications/vgg16.py
_ENCODER_LAYERS = tuple(
    f"block{block}_conv{index}"
    for block, count in enumerate((2, 2, 3, 3, 3), start=1)
    for index in range(1, count + 1)
)


def load_vgg16_weights(model: keras.Model, weights: str | Path | None) -> None:
    """Load VGG16's weights into the encoder and, when they are there, fc6 and fc7.

    The dense layer fc1, `(25088, 4096)`, becomes the 7x7 convolution fc6 by a reshape
    to `(7, 7, 512, 4096)`, because Keras flattens row by row with the channels last;
    fc2 becomes the 1x1 convolution fc7. For a narrower head the filters, and of a 3x3
    window the rows and columns 0, 3 and 6, are picked at even distances (decimation
    as in Chen et al., DeepLab, 2016).

    Args:
        model: a network of `keras_fcn.FCN`.
        weights: "imagenet", the path of an `.h5` file whose groups are named after
            the layers (as those of keras.applications, and what Keras 2 saved), or
            None for He initialisation.

    Raises:
        OSError: if the file is missing, unreadable or can't be fetched.
        ValueError: if it is not VGG16's.
    """
    if weights is None:
        for name in _ENCODER_LAYERS:
            kernel = model.get_layer(name).kernel
            kernel.assign(keras.initializers.HeNormal()(kernel.shape))
        return
    path = _fetch_imagenet() if weights == "imagenet" else Path(weights)
    if not path.is_file():
        raise FileNotFoundError(f"No weights file at {path}")
    try:
        with h5py.File(path) as file:
            layers = file.get("model_weights", file)  # a whole model, or weights alone
            _load_encoder(model, layers, path)
            _load_head(model, layers, path)
    except (OSError, RuntimeError) as error:  # h5py raises either for a damaged file
        raise OSError(
            f"{path} can't be read as a weights file (.h5): it is truncated or of "
            f"another format ({error})"
        ) from error


def transfer_weights(
    source: keras.Model, target: keras.Model, keep_scores: bool = True
) -> list[str]:
    """Copy the weights of a trained network into another of the same head.

    Layers are matched by name, as in the paper's staged training, 32s -> 16s -> 8s.
    What only the source has is left out: a coarser network starts from a finer one
    too.

    Args:
        source: a trained network of `FCN`.
        target: the network to start.
        keep_scores: copy the layers that score the classes and enlarge the scores;
            False where the classes are others.

    Returns:
        Names of the target's layers that have weights and start anew.

    Raises:
        ValueError: if a layer's weights have another shape in the source (another
            head, or another number of classes).
    """
    source_layers = {layer.name: layer for layer in source.layers if layer.weights}
    pairs, fresh = [], []
    for layer in target.layers:
        if not layer.weights:
            continue
        is_score = layer.name.startswith(("score_", "upscore"))
        if layer.name not in source_layers or (is_score and not keep_scores):
            fresh.append(layer.name)
            continue
        values = source_layers[layer.name].get_weights()
        shapes = [tuple(value.shape) for value in values]
        wanted = [tuple(weight.shape) for weight in layer.weights]
        if shapes != wanted:
            raise ValueError(
                f"Layer {layer.name} of {source.name} does not fit: needed shapes "
                f"{wanted}, received {shapes}. The network to start from must have the "
                "same head"
            )
        pairs.append((layer, values))
    for layer, values in pairs:
        layer.set_weights(values)
    return fresh


def _fetch_imagenet():
    """Path of VGG16's ImageNet file in Keras's cache, downloaded when missing."""
    return fetch(
        VGG16_URL,
        Path(VGG16_URL).name,
        cache_subdir="models",
        md5=_VGG16_MD5,
        otherwise="fetch it on a machine with network and pass it with --weights PATH, "
        "or start from nothing with --weights none",
    )


def _load_encoder(model, file, path):
    for name in _ENCODER_LAYERS:
        layer = model.get_layer(name)
        kernel, bias = _read_layer(file, name, path)
        _assign(layer, kernel, bias, path)


def _load_head(model, file, path):
    """Dense weights as convolutions, or a line that says that the head starts anew."""
    fc6, fc7 = model.get_layer("fc6"), model.get_layer("fc7")
    if "fc1" not in file:
        logger.info(
            "%s has no dense layers: fc6 and fc7 start from He initialisation",
            path.name,
        )
        return
    kernel, bias = _read_layer(file, "fc1", path)
    _check_shape("fc1", kernel, (7 * 7 * 512, 4096), path)
    kernel = kernel.reshape(7, 7, 512, 4096)
    filters = _evenly_spaced(4096, fc6.filters)
    if fc6.kernel_size == (3, 3):
        kernel = kernel[::3, ::3]
    _assign(fc6, kernel[..., filters], bias[filters], path)

    kernel, bias = _read_layer(file, "fc2", path)
    _check_shape("fc2", kernel, (4096, 4096), path)
    kernel = kernel[np.ix_(filters, filters)]
    _assign(fc7, kernel[None, None], bias[filters], path)


def _evenly_spaced(count, kept):
    return np.arange(kept) * count // kept


def _read_layer(file, name, path):
    """Kernel and bias of a layer."""
    if name not in file:
        raise ValueError(
            f"{path} holds no layer {name}: it is no file of keras.applications.VGG16"
        )
    arrays = []
    file[name].visititems(
        lambda _, item: (
            arrays.append(item[()]) if isinstance(item, h5py.Dataset) else None
        )
    )
    if len(arrays) != 2:
        raise ValueError(
            f"Layer {name} of {path} must have a kernel and a bias. "
            f"Received: {len(arrays)} arrays"
        )
    bias, kernel = sorted(arrays, key=np.ndim)
    return kernel, bias


def _assign(layer, kernel, bias, path):
    _check_shape(layer.name, kernel, tuple(layer.kernel.shape), path)
    _check_shape(layer.name, bias, tuple(layer.bias.shape), path)
    layer.set_weights([kernel, bias])


def _check_shape(name, array, shape, path):
    if tuple(array.shape) != shape:
        raise ValueError(
            f"Layer {name} of {path} must have the shape {shape} of VGG16. "
            f"Received: {tuple(array.shape)}"
        )
