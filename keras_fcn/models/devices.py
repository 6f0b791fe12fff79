"""The devices of Keras's backend: their numeric types, GPU memory and XLA."""

import os

import keras

# TensorFlow and JAX read these variables when they first use a GPU. Without them each
# allocates nearly all of its memory at once, and a second program finds none.
_MEMORY_GROWTH = {
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
}


def allow_memory_growth() -> None:
    """Allocate GPU memory on demand, so that programs can share a GPU.

    Has an effect only before a GPU is first used. Values set by the user are kept.
    """
    for name, value in _MEMORY_GROWTH.items():
        os.environ.setdefault(name, value)


def has_accelerator() -> bool:
    """Return whether Keras's backend computes on anything but the CPU."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.devices()[0].platform != "cpu"
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def has_bfloat16() -> bool:
    """Return whether each device in use has bfloat16 in hardware."""
    if not has_accelerator():
        try:
            with open("/proc/cpuinfo") as file:
                flags = file.read().split()
        except OSError:  # not Linux
            return False
        return "avx512_bf16" in flags or "amx_bf16" in flags
    return _is_tpu() or _compute_capability() >= (8, 0)  # Ampere, the first with it


def has_float16() -> bool:
    """Return whether each device in use multiplies float16 faster than float32.

    NVIDIA's GPUs do since Volta, the first with tensor cores; CPUs do not.
    """
    return has_accelerator() and not _is_tpu() and _compute_capability() >= (7, 0)


def _is_tpu():
    if keras.backend.backend() != "jax":
        return False
    import jax

    return jax.devices()[0].platform == "tpu"


def _compute_capability():
    """Return the lowest of NVIDIA's GPUs, such as (8, 0); (0,) for other GPUs."""
    if keras.backend.backend() == "jax":
        import jax

        names = [str(getattr(gpu, "compute_capability", "")) for gpu in jax.devices()]
        parts = [name.split(".") for name in names]
        # AMD's compute capabilities are not numbers.
        return min(
            tuple(int(part) if part.isdecimal() else 0 for part in numbers)
            for numbers in parts
        )
    import tensorflow as tf

    return min(
        tf.config.experimental.get_device_details(gpu).get("compute_capability", (0,))
        for gpu in tf.config.list_physical_devices("GPU")
    )


def use_xla(has_one_size: bool) -> bool:
    """Return whether to compile a step with XLA: on JAX, and for TensorFlow on a GPU.

    XLA compiles once for each image size, and on the CPU it makes a training step
    slower (2.3 s an image instead of 1.9 s).

    Args:
        has_one_size: whether all images have the same size.
    """
    is_jax = keras.backend.backend() == "jax"
    return is_jax or (has_one_size and has_accelerator())
