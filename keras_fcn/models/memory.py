"""Memory of the variables of deleted networks."""

import weakref
from collections.abc import Iterable
from typing import Any


def free_when_deleted(variables: Iterable[Any]) -> None:
    """Free the memory of variables when they are deleted.

    TensorFlow keeps the values of variables that a compiled training step has used:
    with the compact network, 200 MB after each training of a process
    (tensorflow/tensorflow#62854). Does nothing on other backends.

    Args:
        variables: values of Keras variables, after their initialization.
    """
    for variable in variables:
        # A variable with a copy on each device has several values.
        for part in getattr(variable, "values", (variable,)):
            # Arrays of JAX have no handle.
            if (handle := getattr(part, "handle", None)) is not None:
                finalizer = weakref.finalize(part, _free, handle, part.dtype)
                finalizer.atexit = False


def _free(handle, dtype):
    import tensorflow as tf

    # The garbage collector may run while a function or a graph is built.
    with tf.__internal__.eager_context.eager_mode():
        tf.raw_ops.AssignVariableOp(
            resource=handle, value=tf.zeros((), dtype), validate_shape=False
        )
