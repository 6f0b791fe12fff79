"""FCN-32s, 16s, 8s and 4s over `keras.applications.VGG16`: one graph, one decoder.

Names of layers are Keras's for the encoder (`block4_pool`) and those of the paper's
Caffe networks after it (`fc6`, `score_fr`, `upscore2`, `fuse_pool4` ...), the same in
all of them, so that the weights of a coarser one start a finer one.
"""

from collections.abc import Sequence

import keras
from keras import layers, ops

from keras_fcn.config import (
    HEADS,
    SKIP_SCALES,
    UPSAMPLING,
    VARIANTS,
    TrainingConfig,
)
from keras_fcn.errors import check_choice
from keras_fcn.models.devices import use_xla
from keras_fcn.models.layers import (
    CropToImage,
    PadToMultiple,
    SeededDropout,
    VGGPreprocessing,
)
from keras_fcn.models.uninitialized import build_uninitialized
from keras_fcn.models.upsampling import upsample
from keras_fcn.models.weights import load_vgg16_weights

# Fixed factors of the reference's at-once networks (voc-fcn8s-atonce/net.py), which
# bring the large activations of the earlier pools down to those of fc7; pool2, which
# the paper has not, goes on in their steps.
_PAPER_SKIP_SCALES = {"pool4": 0.01, "pool3": 0.0001, "pool2": 0.000001}
_DEFAULT_FILTERS = {"vgg": 4096, "compact": 512}  # of fc6 and fc7


def FCN(
    variant: str,
    num_classes: int,
    head: str = "vgg",
    weights: str | None = "imagenet",
    *,
    head_filters: int | None = None,
    dropout: float = 0.5,
    skip_scales: str = "batch-norm",
    upsampling: str = "transposed",
    freeze_upsampling: bool = False,
    freeze_blocks: int = 0,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
) -> keras.Model:
    """Build a fully convolutional network for semantic segmentation.

    The model maps RGB images, `(batch, height, width, 3)` of uint8 or float in
    [0, 255], to logits, float32 `(batch, height, width, num_classes)`. Any height and
    width from 1 on is taken as it is; the padding that the strides ask for, the
    channel order and the means of VGG16 are inside. Under a mixed precision policy the
    encoder computes in the short type, the scores and their upsampling in float32.

    `from_pretrained()` returns one that is trained.

    Args:
        variant: "32s", "16s", "8s" or "4s", the stride of the finest scores that are
            used; the paper has the first three.
        num_classes: number of classes, void not counted.
        head: "vgg" (fc6 7x7 and fc7 1x1 with 4096 filters: 134 M parameters) or
            "compact" (fc6 3x3, three apart, so that it sees as far, and fc7 1x1 with
            512 filters: 17 M parameters).
        weights: "imagenet" (VGG16's file with its dense layers, fetched by Keras when
            it is missing), the path of an `.h5` file of `keras.applications.VGG16`,
            with or without its dense layers, or None (He initialisation).
        head_filters: filters of fc6 and fc7; by default 4096 (vgg) or 512 (compact).
            The vgg head takes no other number than 4096.
        dropout: rate of dropout after fc6 and fc7, in training.
        skip_scales: "batch-norm" for batch normalisation of the pools before they are
            scored; "paper" for the fixed factors 0.01 (pool4) and 0.0001 (pool3) of the
            reference's at-once training, and 1e-6 for pool2; or "none", as in its
            staged one.
        upsampling: "transposed" (convolution with a kernel that starts as bilinear
            interpolation), "bilinear", "nearest", "bed-of-nails" or "max-unpooling", as
            `upsampling.py` explains.
        freeze_upsampling: keep the bilinear kernels fixed, as the reference does.
        freeze_blocks: number of VGG16's first blocks that are not trained, 0 to 5.
        input_shape: `(height, width, 3)`; None where a size is free.

    Returns:
        A functional `keras.Model` named `fcn32s`, `fcn16s`, `fcn8s` or `fcn4s`.

    Raises:
        ValueError: if an argument is none of the above or the weights do not fit.
        OSError: if the weights file is missing or unreadable, or can't be fetched.

    Reference: Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic
    Segmentation", CVPR 2015.
    """
    model = _network(
        variant,
        num_classes,
        head,
        head_filters,
        dropout,
        skip_scales,
        upsampling,
        freeze_upsampling,
        freeze_blocks,
        input_shape,
    )
    load_vgg16_weights(model, weights)
    return model


def build_network(
    config: TrainingConfig, num_classes: int, weights: str | None
) -> keras.Model:
    """Build the network that a configuration describes.

    Args:
        config: the training.
        num_classes: number of classes, void not counted.
        weights: as for `FCN`.

    Returns:
        The network.

    Raises:
        ValueError, OSError: as `FCN`.
    """
    model = _configured(config, num_classes)
    load_vgg16_weights(model, weights)
    return model


def network_to_load(config: TrainingConfig, num_classes: int) -> keras.Model:
    """Build the network that a configuration describes, for weights that are loaded.

    Args:
        config: the training.
        num_classes: number of classes, void not counted.

    Returns:
        The network; its kernels are zero.

    Raises:
        ValueError: as `FCN`.
    """
    return build_uninitialized(lambda: _configured(config, num_classes))


def resolve_head_filters(head: str, head_filters: int | None) -> int:
    """Return the number of filters of fc6 and fc7.

    Args:
        head: "vgg" or "compact".
        head_filters: what was asked for; None for the head's own number.

    Raises:
        ValueError: if it is less than 1, or not VGG16's 4096 for the vgg head.
    """
    if head_filters is None:
        return _DEFAULT_FILTERS[head]
    if head_filters < 1:
        raise ValueError(
            f"`head_filters` must be 1 or more. Received: head_filters={head_filters}"
        )
    if head == "vgg" and head_filters != _DEFAULT_FILTERS["vgg"]:
        raise ValueError(
            "`head_filters` of the vgg head are VGG16's 4096; take the compact head "
            f"for another width. Received: head_filters={head_filters}"
        )
    return head_filters


def inference_model(
    model: keras.Model,
    output: keras.KerasTensor | Sequence[keras.KerasTensor],
    suffix: str,
) -> keras.Model:
    """Return a compiled model from a network's images to tensors of its graph.

    Args:
        model: a network of `FCN`; its weights are shared, not copied.
        output: what comes out.
        suffix: put after the network's name.
    """
    inference = keras.Model(model.input, output, name=f"{model.name}_{suffix}")
    inference.compile(jit_compile=use_xla(has_one_size=False))
    return inference


def prediction_model(model: keras.Model) -> keras.Model:
    """Return a model that gives label maps, int32 `(batch, height, width)`.

    Args:
        model: a network of `FCN`; its weights are shared, not copied.
    """
    return inference_model(model, ops.argmax(model.output, axis=-1), "label_map")


def scores_model(model: keras.Model, temperature: float = 1.0) -> keras.Model:
    """Return a model that gives the logits, compiled for prediction.

    Args:
        model: a network of `FCN`; its weights are shared, not copied.
        temperature: by which the logits are divided.
    """
    return inference_model(model, model.output / temperature, "scores")


def confidence_model(model: keras.Model, temperature: float = 1.0) -> keras.Model:
    """Return a model that gives label maps and the probability of each pixel's class.

    They are int32 and float32, both `(batch, height, width)`.

    Args:
        model: a network of `FCN`; its weights are shared, not copied.
        temperature: by which the logits are divided before the softmax.
    """
    logits = model.output
    confidence = ops.max(ops.softmax(logits / temperature), axis=-1)
    return inference_model(
        model, [ops.argmax(logits, axis=-1), confidence], "confidence"
    )


def dropout_model(model: keras.Model) -> keras.Model:
    """Return a network that draws its dropout anew each time that it predicts.

    All other layers, those of batch normalisation too, predict as ever.

    Args:
        model: a network of `FCN`; its weights are shared, not copied.

    Reference: Gal and Ghahramani, "Dropout as a Bayesian approximation", 2016.
    """

    def drawn(layer):
        if isinstance(layer, layers.Dropout):
            return SeededDropout.from_config(layer.get_config())
        return layer

    drawing = keras.models.clone_model(model, clone_function=drawn)
    return inference_model(drawing, ops.softmax(drawing.output), "dropout")


def _configured(config, num_classes):
    """The network of a configuration, with the weights of its initializers."""
    return _network(
        config.variant,
        num_classes,
        config.head,
        head_filters=config.head_filters,
        dropout=config.dropout,
        skip_scales=config.skip_scales,
        upsampling=config.upsampling,
        freeze_upsampling=config.freeze_upsampling,
        freeze_blocks=config.freeze_blocks,
    )


def _network(
    variant,
    num_classes,
    head,
    head_filters,
    dropout,
    skip_scales,
    upsampling,
    freeze_upsampling,
    freeze_blocks,
    input_shape=(None, None, 3),
):
    """The graph of `FCN`, with the weights of its initializers."""
    check_choice("variant", variant, VARIANTS)
    check_choice("head", head, HEADS)
    check_choice("skip_scales", skip_scales, SKIP_SCALES)
    check_choice("upsampling", upsampling, UPSAMPLING)
    if num_classes < 1:
        raise ValueError(f"`num_classes` must be 1 or more. Received: {num_classes}")
    if freeze_blocks not in range(6):
        raise ValueError(
            f"`freeze_blocks` must be 0 to 5. Received: freeze_blocks={freeze_blocks}"
        )
    head_filters = resolve_head_filters(head, head_filters)
    if input_shape[-1] != 3:
        raise ValueError(
            "`input_shape` must end in 3, for red, green and blue. "
            f"Received: input_shape={input_shape}"
        )

    image = keras.Input(input_shape, name="image", dtype="float32")  # (N, H, W, 3)
    x = VGGPreprocessing(name="preprocessing", dtype="float32")(image)
    # From here on H and W are multiples of 32.
    x = PadToMultiple(name="padding", dtype="float32")(x)  # (N, H, W, 3)
    encoder = keras.applications.VGG16(include_top=False, weights=None, input_tensor=x)
    for layer in encoder.layers:
        is_of_block = layer.name.startswith("block")
        if is_of_block and int(layer.name[len("block")]) <= freeze_blocks:
            layer.trainable = False
    x = _head(encoder.output, head, head_filters, dropout)  # (N, H/32, W/32, F)
    x = _decoder(  # (N, H, W, C)
        x, encoder, variant, num_classes, skip_scales, upsampling, freeze_upsampling
    )
    logits = CropToImage(name="logits", dtype="float32")(x, image)
    return keras.Model(image, logits, name=f"fcn{variant}")


def _head(x, head, filters, dropout):
    """fc6 and fc7 as convolutions: `(N, H/32, W/32, 512)` to `(..., filters)`."""
    window = {"kernel_size": 7} if head == "vgg" else {"kernel_size": 3}
    if head == "compact":
        window["dilation_rate"] = 3  # rows and columns 0, 3 and 6 of the 7x7 window
    convolution = {
        "padding": "same",
        "activation": "relu",
        "kernel_initializer": "he_normal",
    }
    x = layers.Conv2D(filters, **window, **convolution, name="fc6")(x)
    x = layers.Dropout(dropout, name="drop6")(x)
    x = layers.Conv2D(filters, 1, **convolution, name="fc7")(x)
    return layers.Dropout(dropout, name="drop7")(x)


def _decoder(
    x, encoder, variant, num_classes, skip_scales, upsampling, freeze_upsampling
):
    """Scores of fc7, fused with those of the pools, at the padded image's size."""

    def score(features, name):
        return layers.Conv2D(
            num_classes, 1, kernel_initializer="zeros", name=name, dtype="float32"
        )(features)

    def upscore(scores, stride, name, block):
        """Enlarge scores of the stride of a block's pooling."""
        pooled = [
            encoder.get_layer(f"block{block - step}_pool").input
            for step in range(stride.bit_length() - 1)
        ]
        return upsample(
            scores, stride, upsampling, name, pooled, trainable=not freeze_upsampling
        )

    def fuse(scores, pool, block):
        features = encoder.get_layer(block).output
        if skip_scales == "batch-norm":
            features = layers.BatchNormalization(
                momentum=0.9, name=f"norm_{pool}", dtype="float32"
            )(features)
        elif skip_scales == "paper":
            features = layers.Rescaling(
                _PAPER_SKIP_SCALES[pool], name=f"scale_{pool}", dtype="float32"
            )(features)
        return layers.Add(name=f"fuse_{pool}", dtype="float32")(
            [scores, score(features, f"score_{pool}")]
        )

    scores = score(x, "score_fr")  # (N, H/32, W/32, C)
    if variant == "32s":
        return upscore(scores, 32, "upscore32", 5)
    scores = upscore(scores, 2, "upscore2", 5)
    scores = fuse(scores, "pool4", "block4_pool")  # (N, H/16, W/16, C)
    if variant == "16s":
        return upscore(scores, 16, "upscore16", 4)
    scores = upscore(scores, 2, "upscore_pool4", 4)
    scores = fuse(scores, "pool3", "block3_pool")  # (N, H/8, W/8, C)
    if variant == "8s":
        return upscore(scores, 8, "upscore8", 3)
    scores = upscore(scores, 2, "upscore_pool3", 3)
    scores = fuse(scores, "pool2", "block2_pool")  # (N, H/4, W/4, C)
    return upscore(scores, 4, "upscore4", 2)
