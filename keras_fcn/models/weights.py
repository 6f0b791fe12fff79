"""Initial weights of a network: from VGG16's ImageNet file or from another FCN.

A weight that is missing or of another shape is an error; re-initialized layers are
logged by the callers.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from keras_fcn.storage.downloads import fetch

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
    """Load VGG16's weights into the encoder and, if the file has them, fc6 and fc7.

    The dense layer fc1, `(25088, 4096)`, becomes the 7x7 convolution fc6 by a reshape
    to `(7, 7, 512, 4096)`; fc2 becomes the 1x1 convolution fc7. A narrower head gets
    evenly spaced filters, a 3x3 window the rows and columns 0, 3 and 6 (decimation as
    in Chen et al., DeepLab, 2016).

    Args:
        model: a network of `keras_fcn.FCN`.
        weights: "imagenet", the path of an `.h5` file whose groups are named after
            the layers (written by keras.applications or Keras 2), or None for He
            initialization.

    Raises:
        OSError: if the file is missing, unreadable or can't be downloaded.
        ValueError: if it is not VGG16's.
    """
    if weights is None:
        for name in _ENCODER_LAYERS:
            kernel = model.get_layer(name).kernel
            kernel.assign(keras.initializers.HeNormal()(kernel.shape))
        return
    path = Path(weights)
    if weights == "imagenet":
        path = fetch(
            VGG16_URL,
            Path(VGG16_URL).name,
            cache_subdir="models",
            md5=_VGG16_MD5,
            otherwise="fetch it on a machine with network and give its path as "
            "`weights`, or start from nothing with `weights` none",
        )
    if not path.is_file():
        raise FileNotFoundError(f"No weights file at {path}")
    try:
        with h5py.File(path) as file:
            layers = file.get("model_weights")  # of a whole model
            if not isinstance(layers, h5py.Group):
                layers = file  # of weights alone
            for name in _ENCODER_LAYERS:
                layer = model.get_layer(name)
                kernel, bias = _read_layer(layers, name, layer.kernel.shape, path)
                layer.kernel.assign(kernel)
                layer.bias.assign(bias)
            _load_head(model, layers, path)
    except (OSError, RuntimeError, KeyError) as error:  # h5py's, for a damaged file
        raise OSError(
            f"{path} can't be read as a weights file (.h5): it is truncated or of "
            f"another format ({error})"
        ) from error


def transfer_weights(
    source: keras.Model, target: keras.Model, keep_logits: bool = True
) -> list[str]:
    """Copy the weights of a trained network into another of the same head.

    Layers are matched by name, as in the paper's staged training, 32s -> 16s -> 8s.
    Layers that only the source has are ignored, so that a coarser network can also
    start from a finer one.

    Args:
        source: a trained network of `FCN`.
        target: the network whose weights are set.
        keep_logits: copy the layers that compute and upsample logits; False if the
            classes differ.

    Returns:
        Names of the target's layers that keep their initial weights.

    Raises:
        ValueError: if a layer's weights have another shape in the source (another
            head, or another number of classes).
    """
    trained = {layer.name for layer in source.layers if layer.weights}
    kept, fresh = set(), []
    for layer in target.layers:
        makes_logits = layer.name.startswith(("score_", "upscore"))
        if not layer.weights:
            continue
        if layer.name in trained and (keep_logits or not makes_logits):
            kept.add(layer.name)
        else:
            fresh.append(layer.name)

    def kept_variables(model):
        return {
            name: variable
            for name, variable in variables_by_name(model).items()
            if name.partition("/")[0] in kept
        }

    assign_arrays(kept_variables(target), kept_variables(source), source.name)
    return fresh


def variables_by_name(model: keras.Model) -> dict[str, keras.Variable]:
    """Return the variables of a network by layer and name, as in `fc6/kernel`.

    Args:
        model: the network; states of random generators are left out.

    Returns:
        The variables, in the order of the layers.
    """
    return {
        f"{layer.name}/{variable.name}": variable
        for layer in model.layers
        for variable in layer.variables
        if variable.name != "seed_generator_state"
    }


def assign_arrays(
    variables: Mapping[str, keras.Variable],
    arrays: Mapping[str, np.ndarray],
    source: object,
) -> None:
    """Load arrays into variables of the same names and shapes: all of them, or none.

    Args:
        variables: by name.
        arrays: arrays or variables by name; cast to the dtypes of `variables`.
        source: origin of the arrays, for the error message.

    Raises:
        ValueError: if a name, a shape or the kind of a dtype differs; names the first.
    """
    expected = {name: tuple(variable.shape) for name, variable in variables.items()}
    received = {name: tuple(array.shape) for name, array in arrays.items()}
    for name in sorted(expected.keys() | received.keys()):
        if expected.get(name) != received.get(name):
            raise ValueError(
                f"{source} does not fit this network: expected {name} of shape "
                f"{expected.get(name, '(absent)')}, got "
                f"{received.get(name, '(absent)')}"
            )
    values = {name: keras.ops.convert_to_numpy(arrays[name]) for name in variables}
    for name, variable in variables.items():
        dtype = values[name].dtype
        # Integers are cast to each other: the state of Keras's seed generators is int64
        # on TensorFlow and uint32 on JAX.
        is_float = keras.backend.is_float_dtype(variable.dtype)
        if dtype.kind == "c" or keras.backend.is_float_dtype(dtype.name) != is_float:
            raise ValueError(
                f"{source} does not fit this network: {name} must be castable to "
                f"{variable.dtype}. Received: {dtype}"
            )
    for name, variable in variables.items():
        variable.assign(values[name].astype(variable.dtype))


def check_finite(arrays: Mapping[str, Any], source: object) -> None:
    """Check that weights are numbers; a network with others predicts anything.

    Args:
        arrays: arrays or variables by name.
        source: their origin, for the error message.

    Raises:
        ValueError: if a value is NaN or infinite; names its array.
    """
    for name, array in arrays.items():
        if not np.isfinite(keras.ops.convert_to_numpy(array)).all():
            raise ValueError(f"{source} has NaN or infinite values in {name}")


def _load_head(model, file, path):
    """Convert the dense layers to convolutions; log a line if there are none."""
    fc6, fc7 = model.get_layer("fc6"), model.get_layer("fc7")
    if "fc1" not in file:
        logger.info(
            "%s has no dense layers: fc6 and fc7 start from He initialization",
            path.name,
        )
        return
    kernel, bias = _read_layer(file, "fc1", (7 * 7 * 512, 4096), path)
    # Keras flattens row by row with the channels last.
    kernel = kernel.reshape(7, 7, 512, 4096)  # (rows, columns, channels, filters)
    filters = np.arange(fc6.filters) * 4096 // fc6.filters  # evenly spaced
    if fc6.kernel_size == (3, 3):
        kernel = kernel[::3, ::3]  # rows and columns 0, 3 and 6: (3, 3, 512, 4096)
    fc6.kernel.assign(kernel[..., filters])
    fc6.bias.assign(bias[filters])

    kernel, bias = _read_layer(file, "fc2", (4096, 4096), path)
    kernel = kernel[np.ix_(filters, filters)]  # (F, F): its inputs are fc6's filters
    fc7.kernel.assign(kernel[None, None])  # (1, 1, F, F)
    fc7.bias.assign(bias[filters])


def _read_layer(file, name, shape, path):
    """Return kernel and bias of a layer, whose shapes are checked before reading.

    HDF5 stores zeros in no space: a small file can declare an array of terabytes.
    """
    group = file.get(name)
    if not isinstance(group, h5py.Group):
        raise ValueError(
            f"{path} holds no layer {name}: it is no file of keras.applications.VGG16"
        )
    arrays = []
    group.visititems(
        lambda _, item: arrays.append(item) if isinstance(item, h5py.Dataset) else None
    )
    if len(arrays) != 2:
        raise ValueError(
            f"Layer {name} of {path} must have a kernel and a bias. "
            f"Received: {len(arrays)} arrays"
        )
    bias, kernel = sorted(arrays, key=lambda array: array.ndim)
    for array, needed in ((kernel, tuple(shape)), (bias, tuple(shape[-1:]))):
        if array.shape != needed or array.dtype.kind != "f":
            raise ValueError(
                f"Layer {name} of {path} must have the shape {needed}, of floats. "
                f"Received: {array.shape} of {array.dtype}"
            )
        if array.is_virtual or array.external:
            raise ValueError(f"Layer {name} of {path} is stored in another file")
    return kernel[()], bias[()]
