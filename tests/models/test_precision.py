import keras
import pytest

from keras_fcn import precision
from keras_fcn.models.precision import resolve_precision, use_precision


@pytest.fixture
def cpu_with(monkeypatch, tmp_path):
    """Puts a `/proc/cpuinfo` with given flags in place, on a machine without GPU."""
    cpu_info = tmp_path / "cpuinfo"
    monkeypatch.setattr(precision, "has_accelerator", lambda: False)
    monkeypatch.setattr(precision, "Path", lambda path: cpu_info)

    def write(flags):
        cpu_info.write_text(
            f"processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu {flags} sse2\n"
        )

    return write


@pytest.mark.parametrize(
    ("flags", "resolved"),
    [
        ("avx512_bf16", "bfloat16"),
        ("avx2 amx_tile amx_bf16", "bfloat16"),
        ("avx2 avx512f", "float32"),
        ("amx_tile avx512_bf16x", "float32"),
    ],
)
def test_auto_is_bfloat16_where_the_cpu_has_it(cpu_with, flags, resolved):
    cpu_with(flags)
    assert resolve_precision("auto") == resolved


def test_auto_is_float32_where_the_cpu_says_nothing(cpu_with):
    assert resolve_precision("auto") == "float32"


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_a_precision_that_is_asked_for_is_taken(cpu_with, name):
    cpu_with("sse4")
    assert resolve_precision(name) == name


@pytest.mark.parametrize(
    ("name", "policy"), [("float32", "float32"), ("bfloat16", "mixed_bfloat16")]
)
def test_policy_holds_in_the_block_only(name, policy):
    before = keras.config.dtype_policy()
    with use_precision(name):
        assert keras.config.dtype_policy().name == policy
        layer = keras.layers.Dense(1)
        layer.build((None, 1))
    assert keras.config.dtype_policy() is before
    assert layer.compute_dtype == name
    assert layer.kernel.dtype == "float32"


def test_policy_is_restored_after_an_error():
    before = keras.config.dtype_policy()
    with pytest.raises(RuntimeError), use_precision("bfloat16"):
        raise RuntimeError
    assert keras.config.dtype_policy() is before


def test_blocks_may_be_nested():
    with use_precision("bfloat16"):
        with use_precision("float32"):
            assert keras.config.dtype_policy().name == "float32"
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
