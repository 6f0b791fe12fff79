"""The numeric type that a network computes in."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras

from keras_fcn.models.devices import has_bfloat16, has_float16


def resolve_precision(precision: str) -> str:
    """Replace "auto" by the fastest type of the hardware.

    That is "bfloat16" if the CPU or GPU supports it, "float16" on older GPUs with
    tensor cores, else "float32".

    Args:
        precision: "auto", or another name, which is returned unchanged.
    """
    if precision != "auto":
        return precision
    if has_bfloat16():
        return "bfloat16"
    return "float16" if has_float16() else "float32"


@contextmanager
def use_precision(precision: str) -> Iterator[None]:
    """Build the models of a block in "float32" or in mixed precision.

    Args:
        precision: "float32", "bfloat16" or "float16"; variables are always float32.
    """
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(
        precision if precision == "float32" else f"mixed_{precision}"
    )
    try:
        yield
    finally:
        keras.config.set_dtype_policy(previous)
