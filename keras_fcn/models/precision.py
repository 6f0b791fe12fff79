"""The arithmetic that a network computes in."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras

from keras_fcn.models.devices import has_bfloat16


def resolve_precision(precision: str) -> str:
    """Turn "auto" into "bfloat16" where CPU or GPU has it in hardware, or "float32".

    Args:
        precision: "auto", or another name, which is returned as it is.
    """
    if precision != "auto":
        return precision
    return "bfloat16" if has_bfloat16() else "float32"


@contextmanager
def use_precision(precision: str) -> Iterator[None]:
    """Build the models of the block in "float32" or, mixed, in "bfloat16".

    Args:
        precision: "float32" or "bfloat16"; variables are float32 with both.
    """
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(
        "mixed_bfloat16" if precision == "bfloat16" else precision
    )
    try:
        yield
    finally:
        keras.config.set_dtype_policy(previous)
