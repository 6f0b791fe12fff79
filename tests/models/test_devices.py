"""Numeric types and memory of devices, on simulated machines."""

import io
import os
import sys
from types import SimpleNamespace

import keras
import pytest
import tensorflow as tf

import keras_fcn
from keras_fcn.models import devices
from keras_fcn.models.devices import (
    allow_memory_growth,
    has_accelerator,
    has_bfloat16,
    has_float16,
    use_xla,
)


@pytest.fixture
def gpus(monkeypatch):
    """Simulate GPUs of the given compute capabilities in TensorFlow."""

    def simulate(*capabilities):
        found = [SimpleNamespace(capability=value) for value in capabilities]
        monkeypatch.setattr(
            tf.config,
            "list_physical_devices",
            lambda kind: found if kind == "GPU" else [object()],
        )
        monkeypatch.setattr(
            tf.config.experimental,
            "get_device_details",
            lambda gpu: (
                {} if gpu.capability is None else {"compute_capability": gpu.capability}
            ),
        )

    simulate()
    return simulate


@pytest.fixture
def cpu_with(gpus, monkeypatch):
    """Simulate a `/proc/cpuinfo` with given flags, on a machine without GPU."""

    def write(flags):
        text = f"processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu {flags} sse2\n"

        def read(path):
            assert path == "/proc/cpuinfo"
            return io.StringIO(text)

        monkeypatch.setattr(devices, "open", read, raising=False)

    return write


@pytest.fixture
def jax_with(monkeypatch):
    """Simulate JAX as the backend, with one device."""

    def simulate(platform, **attributes):
        device = SimpleNamespace(platform=platform, **attributes)
        jax = SimpleNamespace(devices=lambda: [device])
        monkeypatch.setitem(sys.modules, "jax", jax)
        monkeypatch.setattr(keras.backend, "backend", lambda: "jax")

    return simulate


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("avx512_bf16", True),
        ("avx2 amx_tile amx_bf16", True),
        ("avx2 avx512f", False),
        ("amx_tile avx512_bf16x", False),
    ],
)
def test_bfloat16_of_a_cpu_follows_its_flags(cpu_with, flags, expected):
    cpu_with(flags)
    assert has_bfloat16() is expected


def test_a_cpu_without_flags_has_no_bfloat16(gpus, monkeypatch):
    def fail(path):
        raise FileNotFoundError(path)

    monkeypatch.setattr(devices, "open", fail, raising=False)
    assert has_bfloat16() is False


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ([(8, 0)], True),  # Ampere
        ([(9, 0), (8, 6)], True),
        ([(7, 5)], False),  # Turing
        ([(9, 0), (7, 0)], False),
        ([None], False),
    ],
)
def test_gpus_have_bfloat16_if_all_of_them_do(gpus, cpu_with, capabilities, expected):
    cpu_with("sse4" if expected else "avx512_bf16")  # must be ignored
    gpus(*capabilities)
    assert has_accelerator()
    assert has_bfloat16() is expected


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ([(7, 0)], True),
        ([(9, 0), (7, 5)], True),
        ([(7, 5), (6, 1)], False),
        ([], False),
    ],
)
def test_gpus_with_tensor_cores_have_float16(gpus, capabilities, expected):
    gpus(*capabilities)
    assert has_float16() is expected


@pytest.mark.parametrize(
    ("platform", "attributes", "expected"),
    [
        ("gpu", {"compute_capability": "7.5"}, True),
        ("gpu", {"compute_capability": "gfx90a"}, False),
        ("tpu", {}, False),
        ("cpu", {}, False),
    ],
)
def test_float16_of_jax_devices(jax_with, platform, attributes, expected):
    jax_with(platform, **attributes)
    assert has_float16() is expected


def test_a_machine_without_gpu_has_no_accelerator(gpus):
    assert has_accelerator() is False


@pytest.mark.parametrize(
    ("platform", "attributes", "accelerator", "bfloat16"),
    [
        ("cpu", {}, False, False),
        ("gpu", {"compute_capability": "8.0"}, True, True),
        ("gpu", {"compute_capability": "7.5"}, True, False),
        ("gpu", {"compute_capability": "12.0"}, True, True),
        ("gpu", {}, True, False),
        ("tpu", {}, True, True),
    ],
)
def test_devices_of_jax_are_used_with_its_backend(
    cpu_with, jax_with, platform, attributes, accelerator, bfloat16
):
    cpu_with("sse4")
    jax_with(platform, **attributes)
    assert has_accelerator() is accelerator
    assert has_bfloat16() is bfloat16


@pytest.mark.parametrize(
    ("capabilities", "has_one_size", "compiled"),
    [
        ([], True, False),
        ([], False, False),
        ([(8, 0)], True, True),
        ([(8, 0)], False, False),
    ],
)
def test_xla_is_for_accelerators_and_images_of_one_size(
    gpus, capabilities, has_one_size, compiled
):
    gpus(*capabilities)
    assert use_xla(has_one_size) is compiled


def test_jax_always_compiles(jax_with):
    jax_with("cpu")
    assert use_xla(has_one_size=True) and use_xla(has_one_size=False)


GROWTH = {
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
}


def test_memory_growth_does_not_override_the_user(monkeypatch):
    for name in GROWTH:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TF_FORCE_GPU_ALLOW_GROWTH", "false")
    allow_memory_growth()
    assert os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] == "false"
    assert os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
    for name in GROWTH:
        monkeypatch.delenv(name)
    allow_memory_growth()
    assert {name: os.environ[name] for name in GROWTH} == GROWTH


@pytest.mark.vgg16
def test_loading_a_network_enables_memory_growth(monkeypatch):
    for name in GROWTH:
        monkeypatch.delenv(name, raising=False)
    keras_fcn.load()
    assert {name: os.environ[name] for name in GROWTH} == GROWTH
