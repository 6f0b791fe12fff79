"""The devices that Keras's backend computes on, and how programs share them."""

import os

import keras

# What TensorFlow and JAX read when they first use a GPU. Without it each takes nearly
# all of its memory at once, and a second program finds none.
_MEMORY_GROWTH = {
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
}


def allow_memory_growth() -> None:
    """Let GPU memory be taken as it is needed, so that programs can share a GPU.

    Acts where no GPU has been used yet. A value that the user has set stays.
    """
    for name, value in _MEMORY_GROWTH.items():
        os.environ.setdefault(name, value)


def has_accelerator() -> bool:
    """Whether Keras's backend computes on something else than the CPU."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.devices()[0].platform != "cpu"
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def has_bfloat16() -> bool:
    """Whether each device that is computed on has bfloat16 in hardware."""
    if not has_accelerator():
        return _cpu_has_bfloat16()
    return _is_tpu() or _compute_capability() >= (8, 0)  # Ampere, the first with it


def has_float16() -> bool:
    """Whether each device that is computed on multiplies float16 faster than float32.

    NVIDIA's GPUs do from Volta on, and its tensor cores; CPUs do not.
    """
    return has_accelerator() and not _is_tpu() and _compute_capability() >= (7, 0)


def _is_tpu():
    if keras.backend.backend() != "jax":
        return False
    import jax

    return jax.devices()[0].platform == "tpu"


def _compute_capability():
    """The least of NVIDIA's GPUs, as in (8, 0); (0,) of others."""
    if keras.backend.backend() == "jax":
        import jax

        names = [str(getattr(gpu, "compute_capability", "")) for gpu in jax.devices()]
        parts = [name.split(".") for name in names]
        # Those of AMD are no numbers.
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
    """Whether a step is compiled by XLA; always on JAX, on TensorFlow where it pays.

    XLA compiles anew for each size of image, and made a training step on the CPU
    slower (2.3 s an image against 1.9 s).

    Args:
        has_one_size: whether all images have one size.
    """
    is_jax = keras.backend.backend() == "jax"
    return is_jax or (has_one_size and has_accelerator())


def _cpu_has_bfloat16():
    try:
        with open("/proc/cpuinfo") as file:
            flags = file.read().split()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags
