import subprocess
import sys
from contextlib import contextmanager

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_fcn.config import SKIP_SCALES, VARIANTS
from keras_fcn.losses import CrossEntropy
from keras_fcn.models.fcn import FCN
from keras_fcn.models.inference import prediction_model
from keras_fcn.models.precision import use_precision
from keras_fcn.models.upsampling import bilinear_window
from tests.support.data import PROJECT
from tests.support.narrow import VGG16_CONVOLUTIONS, narrow_vgg16

NUM_CLASSES = 3
ENCODER = [
    f"block{block}_{name}"
    for block, convolutions in enumerate(VGG16_CONVOLUTIONS, start=1)
    for name in [*(f"conv{i + 1}" for i in range(convolutions)), "pool"]
]
HEAD = ["fc6", "drop6", "fc7", "drop7", "score_fr"]
DECODER = {
    "32s": ["upscore32"],
    "16s": ["upscore2", "score_pool4", "fuse_pool4", "upscore16"],
    "8s": [
        "upscore2", "score_pool4", "fuse_pool4",
        "upscore_pool4", "score_pool3", "fuse_pool3", "upscore8",
    ],
    "4s": [
        "upscore2", "score_pool4", "fuse_pool4",
        "upscore_pool4", "score_pool3", "fuse_pool3",
        "upscore_pool3", "score_pool2", "fuse_pool2", "upscore4",
    ],
}  # fmt: skip
SCORES = {
    "32s": {"score_fr"},
    "16s": {"score_fr", "score_pool4"},
    "8s": {"score_fr", "score_pool4", "score_pool3"},
    "4s": {"score_fr", "score_pool4", "score_pool3", "score_pool2"},
}


COMPACT = {"head": "compact", "head_filters": 8}


def build(variant="8s", **options):
    options = {**COMPACT, "skip_scales": "none", **options}
    with narrow_vgg16(VGG16_CONVOLUTIONS):
        return FCN(variant, NUM_CLASSES, weights=None, **options)


def randomize_logit_layers(model, seed=0):
    """Set random weights in the logit layers, which start at zero."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if layer.name.startswith("score"):
            layer.set_weights(
                [rng.normal(0, 0.1, weight.shape) for weight in layer.get_weights()]
            )


def build_random(variant):
    keras.utils.set_random_seed(1)
    model = build(variant)
    randomize_logit_layers(model)
    return model


@pytest.fixture(scope="module")
def models():
    """One network per variant with random logits, which the tests do not change."""
    return {variant: build_random(variant) for variant in VARIANTS}


@pytest.fixture(scope="module")
def untrained():
    """One untrained network per variant, with both options of the paper."""
    return {
        variant: build(variant, skip_scales="paper", freeze_upsampling=True)
        for variant in VARIANTS
    }


def random_images(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype="uint8")


def logits_of(model, image):
    return ops.convert_to_numpy(model(image, training=False))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("size", [(1, 1), (31, 33), (33, 47), (64, 96)])
def test_logits_have_the_size_of_the_image(models, variant, size):
    logits = logits_of(models[variant], random_images(2, *size))
    assert logits.shape == (2, *size, NUM_CLASSES)
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()


def test_logits_of_a_camvid_image_have_its_size(models):
    logits = logits_of(models["8s"], random_images(1, 360, 480))
    assert logits.shape == (1, 360, 480, NUM_CLASSES)


def test_predict_accepts_different_sizes(models):
    for size in ((32, 32), (33, 20)):
        logits = models["16s"].predict(random_images(1, *size), verbose=0)
        assert logits.shape == (1, *size, NUM_CLASSES)


def test_free_sizes_are_none_in_the_models_shapes(models):
    for model in models.values():
        assert model.input_shape == (None, None, None, 3)
        assert model.output_shape == (None, None, None, NUM_CLASSES)


@pytest.mark.parametrize("input_shape", [(33, 47, 3), (None, 64, 3)])
def test_fixed_and_free_sizes_give_equal_logits(models, input_shape):
    model = build("8s", input_shape=input_shape)
    assert model.output_shape == (None, *input_shape[:2], NUM_CLASSES)
    model.set_weights(models["8s"].get_weights())
    image = random_images(1, *(length or 50 for length in input_shape[:2]))
    np.testing.assert_allclose(
        logits_of(model, image), logits_of(models["8s"], image), atol=1e-4
    )


@pytest.mark.parametrize("variant", VARIANTS)
def test_uint8_and_float_images_give_the_same_logits(models, variant):
    image = random_images(1, 33, 40)
    as_float = image.astype("float32")
    expected = logits_of(models[variant], as_float)
    assert np.abs(expected).max() > 0
    np.testing.assert_array_equal(logits_of(models[variant], image), expected)
    np.testing.assert_array_equal(
        models[variant].predict(image, verbose=0),
        models[variant].predict(as_float, verbose=0),
    )


def test_images_of_a_batch_are_independent(models):
    image = random_images(2, 33, 40)
    together = logits_of(models["8s"], image)
    alone = [logits_of(models["8s"], image[i : i + 1])[0] for i in range(2)]
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-4)


def test_logits_are_float32_under_mixed_precision(models):
    with use_precision("bfloat16"):
        model = build("8s")
    model.set_weights(models["8s"].get_weights())
    assert model.get_layer("block1_conv1").compute_dtype == "bfloat16"
    for name in ("preprocessing", "score_fr", "upscore8", "logits"):
        assert model.get_layer(name).compute_dtype == "float32"
    image = random_images(1, 40, 50)
    logits, expected = logits_of(model, image), logits_of(models["8s"], image)
    assert logits.dtype == np.float32
    # bfloat16 has 8 bits: an error of some percent after fifteen layers.
    assert np.abs(logits - expected).max() < 0.1 * np.abs(expected).max()


@pytest.mark.parametrize("variant", VARIANTS)
def test_layers_have_the_names_of_keras_and_caffe(models, variant):
    names = [layer.name for layer in models[variant].layers]
    assert models[variant].name == f"fcn{variant}"
    assert len(names) == len(set(names))
    wanted = {"image", "preprocessing", "padding", "logits"}
    wanted |= {*ENCODER, *HEAD, *DECODER[variant]}
    assert set(names) == wanted


@pytest.mark.parametrize("variant", VARIANTS)
def test_upsampling_kernels_are_twice_their_stride_and_bilinear(untrained, variant):
    strides = {"upscore2": 2, "upscore_pool4": 2}
    strides |= {f"upscore{stride}": stride for stride in (8, 16, 32)}
    for name in DECODER[variant]:
        if name not in strides:
            continue
        layer, stride = untrained[variant].get_layer(name), strides[name]
        assert layer.strides == (stride, stride)
        assert layer.kernel_size == (2 * stride, 2 * stride)
        assert not layer.use_bias
        (kernel,) = layer.get_weights()
        np.testing.assert_array_equal(kernel[..., 1, 1], bilinear_window(2 * stride))
        np.testing.assert_array_equal(kernel[..., 0, 1], 0 * kernel[..., 0, 1])


@pytest.mark.parametrize("variant", VARIANTS)
def test_logits_are_zero_at_the_start(untrained, variant):
    logits = logits_of(untrained[variant], random_images(1, 33, 40))
    np.testing.assert_array_equal(logits, np.zeros((1, 33, 40, NUM_CLASSES)))


@pytest.mark.vgg16
def test_weights_of_the_encoder_start_random_and_biases_at_zero():
    model = FCN("32s", NUM_CLASSES, weights=None, **COMPACT)
    kernel, bias = model.get_layer("block3_conv1").get_weights()
    # He initialization: variance 2 / fan-in, here of 3 x 3 x 128 inputs.
    assert kernel.std() == pytest.approx(np.sqrt(2 / (9 * 128)), rel=0.02)
    assert not bias.any()


@contextmanager
def mirrored(model):
    """Mirror every kernel inside the `with` block."""

    def flip():
        for layer in model.layers:
            if isinstance(layer, layers.Conv2D | layers.Conv2DTranspose):
                kernel, *bias = layer.get_weights()
                layer.set_weights([kernel[:, ::-1], *bias])

    flip()
    yield
    flip()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("size", [(64, 96), (70, 82)])
def test_mirrored_network_gives_mirrored_logits(models, variant, size):
    # Any shift between logits and image, even by half a pixel, breaks the symmetry.
    image = random_images(1, *size)
    expected = logits_of(models[variant], image)
    with mirrored(models[variant]):
        logits = logits_of(models[variant], image[:, :, ::-1])
    scale = np.abs(expected).max()
    assert np.abs(logits - expected).max() > 0.01 * scale
    np.testing.assert_allclose(logits[:, :, ::-1], expected, atol=1e-4 * scale)


@pytest.mark.parametrize("variant", VARIANTS)
def test_shifted_image_gives_shifted_logits(models, variant):
    # The receptive field of fc7: 212 pixels of the encoder and 3 cells of 32 per side.
    # An upsampled pixel depends on cells at most 32 pixels (8s: 32 + 16 + 8) away.
    border, shift = 202 + 56, 32
    scene = random_images(1, 32, 640 + shift)
    left = logits_of(models[variant], scene[:, :, :640])
    right = logits_of(models[variant], scene[:, :, shift:])
    inner = np.s_[:, :, border : 640 - border - shift]
    moved = np.s_[:, :, border + shift : 640 - border]
    size = np.abs(left[moved]).max()
    assert np.abs(left[moved] - left[inner]).max() > 0.01 * size
    np.testing.assert_allclose(right[inner], left[moved], atol=1e-4 * size)


def test_paper_skip_scales_are_applied_before_the_logits(models, untrained):
    model = untrained["8s"]
    start = model.get_weights()
    model.set_weights(models["8s"].get_weights())
    image = random_images(1, 32, 40)
    scaled, expected = logits_of(model, image), logits_of(models["8s"], image)
    for name, scale in (("pool4", 0.01), ("pool3", 0.0001)):
        assert model.get_layer(f"scale_{name}").scale == scale
        kernel, bias = model.get_layer(f"score_{name}").get_weights()
        model.get_layer(f"score_{name}").set_weights([kernel / scale, bias])
    compensated = logits_of(model, image)
    model.set_weights(start)
    size = np.abs(expected).max()
    assert np.abs(scaled - expected).max() > 0.01 * size
    np.testing.assert_allclose(compensated, expected, atol=1e-4 * size)


@pytest.mark.parametrize(
    ("variant", "scales"),
    [
        ("32s", set()),
        ("16s", {"scale_pool4"}),
        ("8s", {"scale_pool4", "scale_pool3"}),
        ("4s", {"scale_pool4", "scale_pool3", "scale_pool2"}),
    ],
)
def test_only_the_paper_option_has_scale_layers(models, untrained, variant, scales):
    names = {layer.name for layer in untrained[variant].layers}
    assert names - {layer.name for layer in models[variant].layers} == scales
    assert len(untrained[variant].weights) == len(models[variant].weights)


@pytest.mark.parametrize("variant", VARIANTS)
def test_frozen_upsampling_has_no_trainable_kernel(models, untrained, variant):
    frozen = untrained[variant]
    upsampling = {name for name in DECODER[variant] if name.startswith("upscore")}

    def trainable(model):
        return {weight.path.split("/")[0] for weight in model.trainable_weights}

    assert trainable(models[variant]) - trainable(frozen) == upsampling
    assert SCORES[variant] <= trainable(frozen)


def test_dropout_is_applied_in_training_only(models):
    image = random_images(1, 64, 64)
    model = models["32s"]
    np.testing.assert_array_equal(logits_of(model, image), logits_of(model, image))
    first, second = (
        ops.convert_to_numpy(model(image, training=True)) for _ in range(2)
    )
    assert np.abs(first - second).max() > 0


def test_dropout_has_the_given_rate():
    model = build("32s", dropout=0.25)
    assert model.get_layer("drop6").rate == model.get_layer("drop7").rate == 0.25


def test_compact_head_has_the_receptive_field_of_the_vgg_head(models):
    fc6 = models["32s"].get_layer("fc6")
    assert fc6.filters == 8
    assert fc6.kernel_size == (3, 3)
    assert fc6.dilation_rate == (3, 3)  # 1 + 2 * 3 = 7 cells


def test_prediction_model_returns_the_arg_max_as_int32(models):
    image = random_images(2, 33, 40)
    label_map = ops.convert_to_numpy(prediction_model(models["8s"])(image))
    assert label_map.dtype == np.int32
    logits = logits_of(models["8s"], image)
    np.testing.assert_array_equal(label_map, logits.argmax(axis=-1))


def test_there_are_no_lambda_layers(models):
    for model in models.values():
        for layer in model.layers:
            assert not isinstance(layer, layers.Lambda)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"variant": "7s"}, "`variant` must be one of .* Received: variant='7s'"),
        ({"head": "resnet"}, "`head` must be one of .* Received: head='resnet'"),
        (
            {"skip_scales": "half"},
            "`skip_scales` must be one of batch-norm, paper, none. Received: .*='half'",
        ),
        (
            {"num_classes": 0},
            "`num_classes` must be a positive integer. Received: num_classes=0",
        ),
        (
            {"head": "vgg", "head_filters": 512},
            "must be 4096 with the vgg head.* Received: head_filters=512",
        ),
        ({"num_classes": "3"}, "Received: num_classes='3'"),
        ({"dropout": 1}, "`dropout` must be .* below 1. Received: dropout=1"),
        ({"head_filters": -1}, "Received.*filters=-1"),
        ({"head_filters": 0}, "Received: head_filters=0"),
        ({"input_shape": (32, 32, 4)}, r"must be \(height, width, 3\), with None"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    arguments = {"variant": "8s", "num_classes": 3, "head": "compact", **arguments}
    with pytest.raises(ValueError, match=message):
        FCN(**arguments, weights=None)


@pytest.mark.parametrize(
    "name",
    [
        "VGGPreprocessing", "PadToMultiple", "CropToImage", "BilinearUpsampling",
        "BilinearInterpolation", "BedOfNails", "MaxUnpooling", "ChannelSum",
    ],
)  # fmt: skip
def test_layers_of_saved_networks_are_registered(name):
    layer = keras.saving.get_registered_object(f"keras_fcn>{name}")
    assert layer.__module__.startswith("keras_fcn.models.")


@pytest.mark.slow
def test_saved_model_loads_in_safe_mode_in_a_fresh_process(models, tmp_path):
    image = random_images(1, 33, 47)
    np.save(tmp_path / "image.npy", image)
    models["8s"].save(tmp_path / "model.keras")
    program = """
import keras, numpy as np
import keras_fcn
model = keras.saving.load_model("model.keras", safe_mode=True)
np.save("logits.npy", model(np.load("image.npy"), training=False))
"""
    subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(PROJECT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        check=True,
    )
    (tmp_path / "model.keras").unlink()
    np.testing.assert_allclose(
        np.load(tmp_path / "logits.npy"),
        logits_of(models["8s"], image),
        rtol=1e-5,
        atol=1e-5,
    )


@pytest.mark.slow
@pytest.mark.vgg16
def test_one_batch_can_be_overfitted():
    keras.utils.set_random_seed(0)
    options = {"skip_scales": "none", "dropout": 0.0}
    model = FCN("8s", NUM_CLASSES, "compact", None, head_filters=16, **options)
    # Two images of 4x4 blocks of 8 pixels whose brightness depends on the class.
    blocks = np.arange(32).reshape(2, 4, 4) % NUM_CLASSES
    label_map = blocks.repeat(8, axis=1).repeat(8, axis=2)
    noise = np.random.default_rng(0).integers(-9, 10, (*label_map.shape, 3))
    image = (60 + 60 * label_map[..., None] + noise).astype("float32")
    model.compile(
        keras.optimizers.SGD(3e-4, momentum=0.9, clipnorm=1.0),
        loss=CrossEntropy(255),
    )
    losses = [float(model.train_on_batch(image, label_map)) for _ in range(25)]
    assert losses[0] == pytest.approx(np.log(NUM_CLASSES), rel=1e-3)
    assert losses[-1] < 0.5 * losses[0]
    accuracy = (logits_of(model, image).argmax(axis=-1) == label_map).mean()
    assert accuracy > 0.8


def test_pools_are_normalized_before_their_logits():
    model = FCN("8s", 3, weights=None, **COMPACT)  # the default
    for pool, block in (("pool4", "block4_pool"), ("pool3", "block3_pool")):
        norm = model.get_layer(f"norm_{pool}")
        assert norm.input is model.get_layer(block).output
        assert model.get_layer(f"score_{pool}").input is norm.output
    image = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype("float32")
    pool3 = keras.Model(model.input, model.get_layer("norm_pool3").output)
    normalised = ops.convert_to_numpy(pool3(image, training=True))
    np.testing.assert_allclose(normalised.mean(axis=(0, 1, 2)), 0, atol=1e-3)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("skip_scales", SKIP_SCALES)
def test_pools_are_scaled_by_the_given_method(variant, skip_scales):
    model = build(variant, skip_scales=skip_scales)
    kinds = {"batch-norm": "norm", "paper": "scale", "none": None}
    number = {"32s": 0, "16s": 1, "8s": 2, "4s": 3}[variant]
    pools = ("pool4", "pool3", "pool2")[:number]
    found = {
        layer.name
        for layer in model.layers
        if layer.name.startswith(("norm_", "scale_"))
    }
    kind = kinds[skip_scales]
    assert found == {f"{kind}_{pool}" for pool in pools if kind}


@pytest.mark.parametrize("freeze_blocks", [0, 2, 5])
def test_the_first_blocks_keep_their_weights(freeze_blocks):
    model = build("16s", freeze_blocks=freeze_blocks)
    blocks = {
        int(weight.path[len("block")])
        for weight in model.trainable_weights
        if weight.path.startswith("block")
    }
    assert blocks == set(range(freeze_blocks + 1, 6))
    assert model.get_layer("fc6").trainable


def test_more_than_5_frozen_blocks_are_refused():
    with pytest.raises(ValueError, match="Received: freeze_blocks=6"):
        FCN("32s", 3, "compact", None, freeze_blocks=6)
