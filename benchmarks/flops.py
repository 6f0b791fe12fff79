"""How much arithmetic a network is, whatever computes it."""

import math

import keras


def count_flops(network: keras.Model) -> int:
    """Count what a prediction of one image multiplies and adds.

    Convolutions alone are counted, which are nearly all of it, with the padding to a
    multiple of 32; a multiplication with its addition is two. A training step is
    three times as much: the gradients of features and of weights are one each.

    Args:
        network: a network of `FCN` with a fixed `input_shape`.

    Returns:
        Floating-point operations of an image.

    Raises:
        ValueError: if the network takes images of any size.
    """
    if None in network.input.shape[1:]:
        raise ValueError(
            "Counting needs a network of a fixed `input_shape`. "
            f"Received: {network.input.shape[1:]}"
        )
    total = 0
    for layer in network.layers:
        if isinstance(layer, keras.layers.Conv2DTranspose):
            cells = layer.input.shape[1:3]  # each is multiplied with the whole kernel
        elif isinstance(layer, keras.layers.Conv2D):
            cells = layer.output.shape[1:3]
        else:
            continue
        total += 2 * math.prod(cells) * math.prod(layer.kernel.shape)
    return total
