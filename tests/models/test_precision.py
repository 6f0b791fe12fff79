import keras
import pytest

from keras_fcn.models import precision
from keras_fcn.models.precision import resolve_precision, use_precision


@pytest.fixture
def hardware(monkeypatch):
    """Simulate hardware that supports the given 16-bit types."""

    def simulate(*names):
        monkeypatch.setattr(precision, "has_bfloat16", lambda: "bfloat16" in names)
        monkeypatch.setattr(precision, "has_float16", lambda: "float16" in names)

    return simulate


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (("bfloat16", "float16"), "bfloat16"),
        (("bfloat16",), "bfloat16"),
        (("float16",), "float16"),
        ((), "float32"),
    ],
)
def test_auto_is_the_fastest_type_that_the_hardware_supports(hardware, names, wanted):
    hardware(*names)
    assert resolve_precision("auto") == wanted


@pytest.mark.parametrize("name", ["float32", "bfloat16", "float16"])
def test_a_given_precision_is_kept(hardware, name):
    hardware("bfloat16")
    assert resolve_precision(name) == name


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("float32", "float32"),
        ("bfloat16", "mixed_bfloat16"),
        ("float16", "mixed_float16"),
    ],
)
def test_policy_is_set_inside_the_with_block_only(name, policy):
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
