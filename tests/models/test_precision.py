import keras
import pytest

from keras_fcn.models import precision
from keras_fcn.models.precision import resolve_precision, use_precision


@pytest.fixture(params=[True, False])
def has_bfloat16(request, monkeypatch):
    """Makes the hardware have bfloat16, or not."""
    monkeypatch.setattr(precision, "has_bfloat16", lambda: request.param)
    return request.param


def test_auto_is_bfloat16_where_the_hardware_has_it(has_bfloat16):
    wanted = "bfloat16" if has_bfloat16 else "float32"
    assert resolve_precision("auto") == wanted


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_a_precision_that_is_asked_for_is_taken(has_bfloat16, name):
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
