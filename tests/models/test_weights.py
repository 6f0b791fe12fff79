import logging
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from keras_fcn.config import VARIANTS
from keras_fcn.models import weights as weights_module
from keras_fcn.models.fcn import FCN
from keras_fcn.models.weights import (
    assign_arrays,
    load_vgg16_weights,
    transfer_weights,
    variables_by_name,
)
from tests.support.commands import call
from tests.support.data import SHARED_DATA

pytestmark = pytest.mark.vgg16

ENCODER_SHAPES = {
    f"block{block}_conv{index + 1}": (3, 3, channels[index], channels[index + 1])
    for block, channels in enumerate(
        [
            (3, 64, 64), (64, 128, 128), (128, 256, 256, 256),
            (256, 512, 512, 512), (512, 512, 512, 512),
        ],
        start=1,
    )
    for index in range(len(channels) - 1)
}  # fmt: skip
DENSE_SHAPES = {"fc1": (25088, 4096), "fc2": (4096, 4096), "predictions": (4096, 1000)}
KINDS = ("kernel", "bias")
NO_WEIGHTS = [
    "input_1", *(f"block{block}_pool" for block in range(1, 6)), "flatten",
]  # fmt: skip


def build(variant="32s", num_classes=3, head_filters=8, **options):
    common = {"head": "compact", "weights": None, "skip_scales": "none"}
    return FCN(variant, num_classes, head_filters=head_filters, **{**common, **options})


def random_layer(shape, rng):
    """Kernel with He's variance, so that activations keep their scale, and bias."""
    kernel = rng.standard_normal(shape, dtype="float32")
    kernel *= np.sqrt(2 / np.prod(shape[:-1]), dtype="float32")
    return kernel, rng.standard_normal(shape[-1], dtype="float32")


def write_layer(file, name, kernel, bias):
    """A layer as Keras writes it to a legacy `.h5` file: `name/name/kernel`."""
    group = file.create_group(name)
    group.attrs["weight_names"] = [f"{name}/kernel".encode(), f"{name}/bias".encode()]
    group.create_dataset(f"{name}/kernel", data=kernel)
    group.create_dataset(f"{name}/bias", data=bias)


def write_file(path, shapes, seed=0):
    rng = np.random.default_rng(seed)
    with h5py.File(path, "w") as file:
        names = [name.encode() for name in (*NO_WEIGHTS, *shapes)]
        file.attrs["layer_names"] = names
        for name in NO_WEIGHTS:
            file.create_group(name).attrs["weight_names"] = np.array([], "S1")
        for name, shape in shapes.items():
            write_layer(file, name, *random_layer(shape, rng))
    return path


@pytest.fixture(scope="module")
def no_top_file(tmp_path_factory):
    """VGG16's thirteen convolutions, 59 MB."""
    path = tmp_path_factory.mktemp("weights") / "notop.h5"
    yield write_file(path, ENCODER_SHAPES)
    path.unlink()


@pytest.fixture(scope="module")
def full_file(tmp_path_factory):
    """VGG16 with its dense layers, 553 MB."""
    path = tmp_path_factory.mktemp("weights") / "full.h5"
    yield write_file(path, ENCODER_SHAPES | DENSE_SHAPES)
    path.unlink()


@pytest.fixture(scope="module")
def target():
    """The network whose weights the tests load."""
    return build()


def values_of(model):
    return [value.copy() for value in model.get_weights()]


def test_encoder_gets_the_files_kernels_and_biases(no_top_file, target):
    load_vgg16_weights(target, no_top_file)
    with h5py.File(no_top_file) as file:
        for name in ENCODER_SHAPES:
            kernel, bias = target.get_layer(name).get_weights()
            np.testing.assert_array_equal(kernel, file[name][name]["kernel"])
            np.testing.assert_array_equal(bias, file[name][name]["bias"])


def test_an_array_of_another_shape_is_not_read(target, tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        layer = file.create_group("block1_conv1/block1_conv1")
        layer["bias"] = np.zeros(64, "float32")
        layer.create_dataset("kernel", (3, 3, 2**20, 2**20), "float32")
    before = values_of(target)
    with pytest.raises(
        ValueError, match=r"Layer block1_conv1 .* shape \(3, 3, 3, 64\)"
    ):
        load_vgg16_weights(target, tmp_path / "a.h5")
    for one, other in zip(before, values_of(target), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_file_without_dense_layers_leaves_the_head_and_is_logged(
    no_top_file, target, caplog
):
    head = target.get_layer("fc6").get_weights() + target.get_layer("fc7").get_weights()
    with caplog.at_level(logging.INFO, logger="keras_fcn"):
        load_vgg16_weights(target, str(no_top_file))
    (record,) = caplog.records
    assert record.getMessage() == (
        "notop.h5 has no dense layers: fc6 and fc7 start from He initialization"
    )
    after = (
        target.get_layer("fc6").get_weights() + target.get_layer("fc7").get_weights()
    )
    for one, two in zip(head, after, strict=True):
        np.testing.assert_array_equal(one, two)


def test_encoder_equals_keras_applications_own_loading(target):
    path = SHARED_DATA / "weights"
    path /= "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
    if not path.is_file():
        pytest.skip(f"VGG16's ImageNet file is not at {path}")
    load_vgg16_weights(target, path)
    expected = keras.applications.VGG16(include_top=False, weights=str(path))
    for name in ENCODER_SHAPES:
        for one, two in zip(
            target.get_layer(name).get_weights(),
            expected.get_layer(name).get_weights(),
            strict=True,
        ):
            np.testing.assert_array_equal(one, two)
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3)).astype("float32")
    features = keras.Model(target.input, target.get_layer("block5_pool").output)
    np.testing.assert_allclose(
        features(image),
        expected(keras.applications.vgg16.preprocess_input(image.copy())),
        rtol=1e-4,
        atol=1e-3,
    )


def test_names_of_keras_1_are_read(tmp_path, target):
    # Keras 1 wrote block1_conv1/block1_conv1_W_1:0, Keras 2 .../kernel:0.
    rng = np.random.default_rng(1)
    written = {}
    with h5py.File(tmp_path / "keras1.h5", "w") as file:
        for index, (name, shape) in enumerate(ENCODER_SHAPES.items()):
            kernel, bias = written[name] = random_layer(shape, rng)
            names = [("_W_1:0", "_b_1:0"), ("/kernel:0", "/bias:0")][index % 2]
            group = file.create_group(name)
            group.create_dataset(f"{name}{names[0]}", data=kernel)
            group.create_dataset(f"{name}{names[1]}", data=bias)
    load_vgg16_weights(target, tmp_path / "keras1.h5")
    (tmp_path / "keras1.h5").unlink()
    for name, (kernel, bias) in written.items():
        np.testing.assert_array_equal(target.get_layer(name).get_weights()[0], kernel)
        np.testing.assert_array_equal(target.get_layer(name).get_weights()[1], bias)


# In a process of its own: TensorFlow would keep the 2 GB for the tests that follow.
FC2_AND_FC7 = """
import gc, sys
import keras
import numpy as np
from keras_fcn import FCN

image = np.random.default_rng(2).integers(0, 256, (1, 224, 224, 3)).astype("float32")
vgg16 = keras.applications.VGG16(weights=sys.argv[1])
own = keras.Model(vgg16.input, vgg16.get_layer("fc2").output)
fc2 = np.asarray(own(keras.applications.vgg16.preprocess_input(image.copy())))
del own, vgg16
gc.collect()  # 553 MB in reference cycles
model = FCN("32s", 2, head="vgg", weights=sys.argv[1])
fc7 = np.asarray(keras.Model(model.input, model.get_layer("fc7").output)(image))
np.savez(sys.argv[2], fc2=fc2, fc7=fc7)
"""


@pytest.mark.slow
def test_fc7_of_the_vgg_head_gives_vgg16s_own_fc2(full_file, tmp_path):
    call("-c", FC2_AND_FC7, full_file, tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz") as outputs:
        expected, activations = outputs["fc2"], outputs["fc7"]
    assert np.count_nonzero(expected) > 1000
    assert activations.shape == (1, 7, 7, 4096)
    np.testing.assert_allclose(
        activations[:, 3, 3], expected, rtol=1e-3, atol=1e-4 * expected.max()
    )


@pytest.mark.slow
def test_compact_head_takes_rows_0_3_and_6_and_evenly_spaced_filters(full_file, caplog):
    with caplog.at_level(logging.INFO, logger="keras_fcn"):
        model = build(weights=str(full_file), head_filters=8)
    assert not caplog.records
    picked = 512 * np.arange(8)  # 4096 / 8
    with h5py.File(full_file) as file:
        dense, dense_bias = file["fc1/fc1/kernel"], file["fc1/fc1/bias"][()]
        kernel, bias = model.get_layer("fc6").get_weights()
        for row in range(3):
            for column in range(3):
                # Row 3 * row, column 3 * column of the 7x7 window of 512 channels.
                start = (7 * 3 * row + 3 * column) * 512
                np.testing.assert_array_equal(
                    kernel[row, column], dense[start : start + 512][:, picked]
                )
        np.testing.assert_array_equal(bias, dense_bias[picked])
        kernel, bias = model.get_layer("fc7").get_weights()
        dense = file["fc2/fc2/kernel"][()]
        np.testing.assert_array_equal(kernel[0, 0], dense[picked][:, picked])
        np.testing.assert_array_equal(bias, file["fc2/fc2/bias"][()][picked])


@pytest.mark.parametrize("weights", ["none.h5", Path("none.h5")])
def test_a_missing_file_is_refused_by_name(target, weights):
    with pytest.raises(FileNotFoundError, match="No weights file at none.h5"):
        load_vgg16_weights(target, weights)


@pytest.mark.parametrize("content", ["truncated", "text", "empty"])
def test_a_file_of_another_format_is_refused(tmp_path, no_top_file, target, content):
    path = tmp_path / "weights.h5"
    path.write_bytes(
        {
            "truncated": no_top_file.read_bytes()[:1_000_000],
            "text": b"<!DOCTYPE html>",
            "empty": b"",
        }[content]
    )
    before = values_of(target)
    with pytest.raises(OSError, match="truncated or of another format") as caught:
        load_vgg16_weights(target, path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    for one, two in zip(before, target.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_damaged_file_raises_nothing_but_oserror_or_valueerror(tmp_path, target):
    path = tmp_path / "weights.h5"
    write_file(path, {"block1_conv1": ENCODER_SHAPES["block1_conv1"]})
    content = np.frombuffer(path.read_bytes(), "uint8")
    rng = np.random.default_rng(12)
    for _ in range(60):
        damaged = content.copy()
        start = rng.integers(0, 4000)
        damaged[start : start + 12] = rng.integers(0, 256, 12)
        path.write_bytes(damaged.tobytes())
        with pytest.raises((OSError, ValueError)):
            load_vgg16_weights(target, path)


def test_a_file_without_a_layer_is_refused(tmp_path, target):
    path = write_file(tmp_path / "weights.h5", {"conv1": (7, 7, 3, 64), "fc": (64, 10)})
    message = "holds no layer block1_conv1: it is no file of keras.applications.VGG16"
    with pytest.raises(ValueError, match=message):
        load_vgg16_weights(target, path)


def test_a_layer_of_another_shape_is_refused(tmp_path, target):
    shapes = {**ENCODER_SHAPES, "block1_conv2": (5, 5, 64, 64)}
    shapes = {name: shapes[name] for name in ("block1_conv1", "block1_conv2")}
    path = write_file(tmp_path / "weights.h5", shapes)
    message = r"Layer block1_conv2 .*\(3, 3, 64, 64\).* Received: \(5, 5, 64, 64\)"
    with pytest.raises(ValueError, match=message):
        load_vgg16_weights(target, path)


def test_a_layer_that_is_stored_in_another_file_is_refused(tmp_path, target):
    (tmp_path / "secret").write_bytes(bytes(4 * 3 * 3 * 3 * 64))
    path = tmp_path / "weights.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("block1_conv1/block1_conv1")
        group["bias"] = np.zeros(64, "float32")
        parts = [(str(tmp_path / "secret"), 0, 4 * 3 * 3 * 3 * 64)]
        group.create_dataset("kernel", (3, 3, 3, 64), "float32", external=parts)
    with pytest.raises(ValueError, match="block1_conv1 .* is stored in another file"):
        load_vgg16_weights(target, path)


@pytest.mark.parametrize("name", ["block1_conv1", "model_weights"])
def test_an_array_in_place_of_a_layer_is_refused(tmp_path, target, name):
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file[name] = np.zeros(3)
    with pytest.raises(ValueError, match="holds no layer block1_conv1"):
        load_vgg16_weights(target, tmp_path / "weights.h5")


def test_a_layer_without_a_bias_is_refused(tmp_path, target):
    path = tmp_path / "weights.h5"
    with h5py.File(path, "w") as file:
        file["block1_conv1/block1_conv1/kernel"] = np.zeros((3, 3, 3, 64))
    with pytest.raises(ValueError, match="a kernel and a bias. Received: 1 arrays"):
        load_vgg16_weights(target, path)


def test_dense_layers_of_another_size_are_refused(tmp_path, no_top_file, target):
    path = tmp_path / "weights.h5"
    path.write_bytes(no_top_file.read_bytes())
    with h5py.File(path, "a") as file:
        write_layer(file, "fc1", np.zeros((100, 4096)), np.zeros(4096))
    with pytest.raises(ValueError, match=r"Layer fc1 .* Received: \(100, 4096\)"):
        load_vgg16_weights(target, path)
    path.unlink()


def test_a_failed_download_of_imagenet_weights_names_alternatives(monkeypatch, target):
    def fail(*arguments, **keywords):
        raise Exception("URL fetch failure\non two lines")  # the error of `get_file`

    monkeypatch.setattr(keras.utils, "get_file", fail)
    with pytest.raises(
        OSError, match="give its path as `weights`, or start from"
    ) as caught:
        load_vgg16_weights(target, "imagenet")
    assert weights_module.VGG16_URL in str(caught.value)
    assert "\n" not in str(caught.value)


def test_imagenet_weights_are_the_file_that_keras_downloads(
    monkeypatch, no_top_file, target
):
    asked = {}

    def get_file(name, url, **keywords):
        asked.update(name=name, url=url, **keywords)
        return str(no_top_file)

    monkeypatch.setattr(keras.utils, "get_file", get_file)
    load_vgg16_weights(target, "imagenet")
    # The arguments of keras.applications, so that both share one cached file.
    assert asked == {
        "name": "vgg16_weights_tf_dim_ordering_tf_kernels.h5",
        "url": weights_module.VGG16_URL,
        "cache_subdir": "models",
        "file_hash": "64373286793e3c8b2b4e3219cbf3544b",
    }
    with h5py.File(no_top_file) as file:
        np.testing.assert_array_equal(
            target.get_layer("block1_conv1").get_weights()[0],
            file["block1_conv1/block1_conv1/kernel"],
        )


@pytest.fixture(scope="module")
def networks():
    return {variant: build(variant) for variant in VARIANTS}


def make_random(model, seed):
    rng = np.random.default_rng(seed)
    model.set_weights(
        [rng.standard_normal(value.shape, "float32") for value in model.get_weights()]
    )


@pytest.mark.parametrize(
    ("coarse", "fine", "fresh"),
    [
        ("32s", "16s", ["upscore2", "score_pool4", "upscore16"]),
        ("16s", "8s", ["upscore_pool4", "score_pool3", "upscore8"]),
        ("8s", "4s", ["upscore_pool3", "score_pool2", "upscore4"]),
        (
            "32s",
            "8s",
            ["upscore2", "score_pool4", "upscore_pool4", "score_pool3", "upscore8"],
        ),
    ],
)
def test_a_finer_network_gets_all_shared_layers(networks, coarse, fine, fresh):
    source, target = networks[coarse], networks[fine]
    make_random(source, 1)
    make_random(target, 2)
    before = {layer.name: layer.get_weights() for layer in target.layers}
    assert sorted(transfer_weights(source, target)) == sorted(fresh)
    names = [layer.name for layer in target.layers if layer.weights]
    assert len(names) > len(fresh) + 15
    for name in names:
        expected = before[name]
        if name not in fresh:
            expected = source.get_layer(name).get_weights()
        received = target.get_layer(name).get_weights()
        for one, two in zip(received, expected, strict=True):
            np.testing.assert_array_equal(one, two)


def test_network_of_the_same_variant_is_copied(networks):
    other = build("16s")
    make_random(networks["16s"], 3)
    assert transfer_weights(networks["16s"], other) == []
    for one, two in zip(
        networks["16s"].get_weights(), other.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, two)


def check_refused(source, target, message):
    before = values_of(target)
    with pytest.raises(ValueError, match=message):
        transfer_weights(source, target)
    for one, two in zip(before, target.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_coarser_network_gets_all_shared_layers(networks):
    source, target = networks["8s"], networks["32s"]
    make_random(source, 4)
    assert transfer_weights(source, target) == ["upscore32"]
    for name in ("block1_conv1", "fc6", "score_fr"):
        one, two = (m.get_layer(name).get_weights() for m in (source, target))
        np.testing.assert_array_equal(one[0], two[0])


def test_logit_layers_of_other_classes_are_not_copied(networks):
    source, target = networks["16s"], build("16s", num_classes=5)
    make_random(source, 6)
    fresh = transfer_weights(source, target, keep_logits=False)
    assert fresh == ["score_fr", "upscore2", "score_pool4", "upscore16"]
    np.testing.assert_array_equal(
        target.get_layer("fc7").get_weights()[0],
        source.get_layer("fc7").get_weights()[0],
    )
    assert not target.get_layer("score_fr").get_weights()[0].any()


def test_other_classes_and_other_heads_are_refused_and_nothing_is_copied(networks):
    source = networks["32s"]
    make_random(source, 5)
    check_refused(
        source,
        build("16s", num_classes=4),
        r"fcn32s does not fit .* score_fr/bias .* shape \(4,\), got \(3,\)",
    )
    check_refused(
        source,
        build("16s", head_filters=16),
        r"fcn32s does not fit .* fc6/bias of shape \(16,\), got \(8,\)",
    )


def test_variables_have_the_names_of_their_layers():
    model = build("8s", skip_scales="batch-norm")
    names = list(variables_by_name(model))
    encoder = [f"{name}/{kind}" for name in ENCODER_SHAPES for kind in KINDS]
    assert names[: len(encoder)] == encoder
    assert set(names) - set(encoder) == {
        *(
            f"{name}/{kind}"
            for name in ("fc6", "fc7", "score_fr", "score_pool4", "score_pool3")
            for kind in KINDS
        ),
        *(f"{name}/kernel" for name in ("upscore2", "upscore_pool4", "upscore8")),
        *(
            f"norm_{pool}/{kind}"
            for pool in ("pool4", "pool3")
            for kind in ("gamma", "beta", "moving_mean", "moving_variance")
        ),
    }
    kernel = model.get_layer("fc6").kernel
    assert variables_by_name(model)["fc6/kernel"] is kernel
    states = [v for v in model.variables if v.name == "seed_generator_state"]
    assert len(states) == 2 and len(names) == len(model.variables) - 2


def some_variables():
    return {
        "a": keras.Variable(np.zeros((2, 3)), dtype="float32"),
        "b": keras.Variable(np.zeros(4), dtype="bfloat16"),
        "c": keras.Variable(np.zeros(2), dtype="int32"),
    }


SOME_ARRAYS = {
    "c": np.array([1, 2], "int64"),
    "b": np.float32([1, 2, 3, 4]),
    "a": np.arange(6, dtype="float16").reshape(2, 3),
}


def test_arrays_are_assigned_by_name_and_cast():
    variables = some_variables()
    assign_arrays(variables, SOME_ARRAYS, "a file")
    for name, dtype in (("a", "float32"), ("b", "bfloat16"), ("c", "int32")):
        assert variables[name].dtype == dtype
        value = keras.ops.convert_to_numpy(variables[name])
        np.testing.assert_array_equal(value.astype("float64"), SOME_ARRAYS[name])


def test_variables_can_be_assigned_to_variables():
    variables = some_variables()
    assign_arrays(variables, SOME_ARRAYS, "a file")
    others = some_variables()
    assign_arrays(others, variables, "a network")
    value = keras.ops.convert_to_numpy(others["b"]).astype("float32")
    np.testing.assert_array_equal(value, SOME_ARRAYS["b"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"c": np.zeros(3)},
            r"c of shape \(2,\), got \(3,\)$",
        ),
        ({"c": np.zeros((2, 1))}, r"c of shape \(2,\), got \(2, 1\)$"),
        ({"c": None}, r"c of shape \(2,\), got \(absent\)$"),
        ({"d": np.zeros(1)}, r"d of shape \(absent\), got \(1,\)$"),
        ({"a": np.zeros(6), "c": None}, r"a of shape .*, got \(6,\)$"),
        ({"c": np.float32([1, 2])}, "c must be castable to int32. Received: float32"),
        ({"a": np.zeros((2, 3), "complex64")}, "a must be castable to float32"),
        (
            {"a": np.zeros((2, 3), "int32")},
            "a must be castable to float32. Received: i",
        ),
        ({"a": np.zeros((3, 2))}, r"\(2, 3\), got \(3, 2\)$"),
    ],
)
def test_a_wrong_shape_or_name_is_reported_and_nothing_is_assigned(changes, message):
    variables = some_variables()
    arrays = {**SOME_ARRAYS, **changes}
    arrays = {name: array for name, array in arrays.items() if array is not None}
    with pytest.raises(ValueError, match=message) as caught:
        assign_arrays(variables, arrays, "The file x.safetensors")
    assert str(caught.value).startswith(
        "The file x.safetensors does not fit this network: "
    )
    assert "\n" not in str(caught.value)
    for variable in variables.values():
        assert not keras.ops.convert_to_numpy(variable).any()
