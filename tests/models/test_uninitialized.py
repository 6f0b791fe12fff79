"""Networks without random initial weights, for weights that are loaded."""

from threading import Thread

import keras
import numpy as np
import pytest

from keras_fcn.models import fcn
from keras_fcn.models.architecture import Architecture
from keras_fcn.models.fcn import FCN, build_network, build_uninitialized
from keras_fcn.models.weights import variables_by_name
from tests.support.narrow import narrow_vgg16

ARCHITECTURE = Architecture(
    variant="16s", num_classes=3, head="compact", head_filters=8
)


def arrays(model):
    return {
        name: keras.ops.convert_to_numpy(variable)
        for name, variable in variables_by_name(model).items()
    }


@pytest.fixture(scope="module")
def uninitialized():
    with narrow_vgg16():
        return build_uninitialized(ARCHITECTURE)


def test_only_kernels_are_zero(uninitialized):
    random = arrays(build_network(ARCHITECTURE, weights=None))
    found = arrays(uninitialized)
    assert found.keys() == random.keys()
    differing = {
        name for name in random if not np.array_equal(found[name], random[name])
    }
    convolutions = [name for name in random if name.startswith(("block", "fc"))]
    assert differing == {name for name in convolutions if name.endswith("kernel")}
    assert not any(found[name].any() for name in differing)


def test_its_configuration_equals_that_of_a_network_with_random_weights(uninitialized):
    random = build_network(ARCHITECTURE, weights=None)
    assert uninitialized.get_config() == random.get_config()
    again = keras.Model.from_config(uninitialized.get_config())
    assert arrays(again)["fc6/kernel"].any()


def test_networks_of_other_threads_and_later_ones_have_random_weights(monkeypatch):
    built = []
    build_graph = fcn._build_graph

    def build():
        built.append(FCN("32s", 3, "compact", None, head_filters=8))

    def build_while_another_thread_does(architecture):
        monkeypatch.setattr(fcn, "_build_graph", build_graph)
        thread = Thread(target=build)
        thread.start()
        thread.join()
        return build_graph(architecture)

    monkeypatch.setattr(fcn, "_build_graph", build_while_another_thread_does)
    build_uninitialized(ARCHITECTURE)
    build()
    assert len(built) == 2
    for model in built:
        assert arrays(model)["fc6/kernel"].any()


def test_the_initializers_are_restored_when_building_fails(monkeypatch):
    monkeypatch.setattr(fcn, "_build_graph", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        build_uninitialized(ARCHITECTURE)
    layer = keras.layers.Dense(3)
    layer.build((1, 2))
    assert keras.ops.any(layer.kernel)
