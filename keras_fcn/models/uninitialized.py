"""Networks without random weights, for weights that are loaded next.

To draw them takes longer than to load the trained ones.
"""

from collections.abc import Callable

import keras


class _Undrawn(keras.initializers.Zeros):
    """Zeros in place of what an initializer would draw."""

    name = ""  # of that initializer


class _UndrawnGlorot(_Undrawn):
    name = "glorot_uniform"


class _UndrawnHe(_Undrawn):
    name = "he_normal"


def build_uninitialized(build: Callable[[], keras.Model]) -> keras.Model:
    """Build a network whose kernels are zero.

    Its configuration is that of one with random weights, and networks that are built
    meanwhile in other threads have theirs.

    Args:
        build: makes the network of `keras.layers` that name their initializers.

    Returns:
        The network.
    """
    with keras.utils.custom_object_scope(
        {undrawn.name: undrawn for undrawn in (_UndrawnGlorot, _UndrawnHe)}
    ):
        model = build()
    for layer in model.layers:
        initializer = getattr(layer, "kernel_initializer", None)
        if isinstance(initializer, _Undrawn):
            layer.kernel_initializer = keras.initializers.get(initializer.name)
    return model
