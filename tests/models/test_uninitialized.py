"""Networks whose weights are loaded have no random ones before."""

from threading import Thread

import keras
import numpy as np
import pytest

from keras_fcn.config import TrainingConfig
from keras_fcn.models.fcn import FCN, build_network, network_to_load
from keras_fcn.models.uninitialized import build_uninitialized
from keras_fcn.models.weights import variables_by_name
from tests.support.narrow import narrow_vgg16

CONFIG = TrainingConfig(variant="16s", head="compact", head_filters=8, freeze_blocks=0)


def arrays(model):
    return {
        name: keras.ops.convert_to_numpy(variable)
        for name, variable in variables_by_name(model).items()
    }


@pytest.fixture(scope="module")
def undrawn():
    with narrow_vgg16():
        return network_to_load(CONFIG, 3)


def test_kernels_are_zero_and_all_else_is_as_ever(undrawn):
    with narrow_vgg16():
        drawn = arrays(build_network(CONFIG, 3, weights=None))
    found = arrays(undrawn)
    assert found.keys() == drawn.keys()
    differing = {name for name in drawn if not np.array_equal(found[name], drawn[name])}
    convolutions = [name for name in drawn if name.startswith(("block", "fc"))]
    assert differing == {name for name in convolutions if name.endswith("kernel")}
    assert not any(found[name].any() for name in differing)


def test_its_configuration_is_that_of_a_network_with_random_weights(undrawn):
    with narrow_vgg16():
        drawn = build_network(CONFIG, 3, weights=None)
    assert undrawn.get_config() == drawn.get_config()
    again = keras.Model.from_config(undrawn.get_config())
    assert arrays(again)["fc6/kernel"].any()


def test_networks_of_other_threads_and_later_ones_have_random_weights():
    built = []

    def build():
        built.append(FCN("32s", 3, "compact", None, head_filters=8))

    def build_while_another_does():
        thread = Thread(target=build)
        thread.start()
        thread.join()
        return FCN("32s", 3, "compact", None, head_filters=8)

    with narrow_vgg16():
        build_uninitialized(build_while_another_does)
        build()
    for model in built:
        assert arrays(model)["fc6/kernel"].any() and len(built) == 2


def test_nothing_is_left_over_where_building_fails():
    with pytest.raises(ValueError, match="num_classes"):
        network_to_load(CONFIG, 0)
    with pytest.raises(ZeroDivisionError):
        build_uninitialized(lambda: 1 / 0)
    layer = keras.layers.Dense(3)
    layer.build((1, 2))
    assert keras.ops.any(layer.kernel)
