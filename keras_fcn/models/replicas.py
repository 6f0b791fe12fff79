"""The replicas of a distributed training step, from within the step.

A replica is one device's copy of the network, which computes its part of the batch:
replica r of R has the r-th of R equal, contiguous parts. Without tf.distribute, and on
other backends than TensorFlow, there is one replica.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import keras

from keras_fcn.typing import Tensor


def num_replicas() -> int:
    """Return the number of replicas of the step being traced; 1 outside a step."""
    context = _context()
    return 1 if context is None else context.num_replicas_in_sync


def replica_id() -> Tensor | int:
    """Return the number of this replica, from 0."""
    context = _context()
    return 0 if context is None else context.replica_id_in_sync_group


def sum_over_replicas(value: Tensor) -> Tensor:
    """Return the sum of a value over all replicas, the same on each.

    Args:
        value: tensor of the same shape on all replicas.
    """
    context = _context()
    return value if context is None else context.all_reduce("SUM", value)


@contextmanager
def whole_batch_statistics(network: keras.Model) -> Iterator[None]:
    """Let batch normalization in a block use the statistics of all replicas.

    The option is reset after the block, because the JAX backend can't load a network
    that was saved with it.

    Args:
        network: its batch normalization layers are changed.
    """
    norms = [
        layer
        for layer in network.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    is_shared = num_replicas() > 1
    for norm in norms:
        norm.synchronized = is_shared
    try:
        yield
    finally:
        for norm in norms:
            norm.synchronized = False


def _context():
    """TensorFlow's replica context; None if there is one replica."""
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return None
    return context
