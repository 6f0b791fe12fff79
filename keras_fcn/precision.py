"""Which arithmetic the hardware is good at."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras

_CPU_FLAGS = ("avx512_bf16", "amx_bf16")


def resolve_precision(precision: str) -> str:
    """Turn "auto" into "bfloat16" where CPU or GPU has it in hardware, or "float32".

    Args:
        precision: "auto", or another name, which is returned as it is.
    """
    if precision != "auto":
        return precision
    return "bfloat16" if _has_bfloat16() else "float32"


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


def has_accelerator() -> bool:
    """Whether Keras's backend computes on something else than the CPU."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.devices()[0].platform != "cpu"
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def _has_bfloat16():
    if not has_accelerator():
        cpu_info = Path("/proc/cpuinfo")
        flags = cpu_info.read_text().split() if cpu_info.exists() else []
        return any(flag in flags for flag in _CPU_FLAGS)
    if keras.backend.backend() == "jax":
        import jax

        device = jax.devices()[0]
        capability = getattr(device, "compute_capability", "0")
        return device.platform == "tpu" or float(capability) >= 8
    import tensorflow as tf

    return all(
        tf.config.experimental.get_device_details(gpu).get("compute_capability", (0,))
        >= (8, 0)
        for gpu in tf.config.list_physical_devices("GPU")
    )
