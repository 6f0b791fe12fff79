"""FCN-32s, 16s, 8s and 4s over `keras.applications.VGG16`: one graph, one decoder.

Layers have Keras's names in the encoder (`block4_pool`) and those of the paper's Caffe
networks after it (`fc6`, `score_fr`, `upscore2`, `fuse_pool4` ...). The names are the
same in all variants, so that the weights of a coarser one initialize a finer one.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import keras
from keras import layers

from keras_fcn.config import Head, SkipScales, Upsampling, Variant
from keras_fcn.models.architecture import Architecture
from keras_fcn.models.layers import CropToImage, PadToMultiple, VGGPreprocessing
from keras_fcn.models.upsampling import upsample
from keras_fcn.models.weights import load_vgg16_weights

# Fixed factors of the reference's at-once networks (voc-fcn8s-atonce/net.py), which
# scale the large activations of the earlier pools down to those of fc7. The paper has
# no pool2: its factor continues the sequence.
_PAPER_SKIP_SCALES: Mapping[str, float] = {
    "pool4": 0.01,
    "pool3": 0.0001,
    "pool2": 0.000001,
}


def FCN(
    variant: Variant,
    num_classes: int,
    head: Head = "vgg",
    weights: str | Path | None = "imagenet",
    *,
    head_filters: int | None = None,
    dropout: float = 0.5,
    skip_scales: SkipScales = "batch-norm",
    upsampling: Upsampling = "transposed",
    freeze_upsampling: bool = False,
    freeze_blocks: int = 0,
    input_shape: tuple[int | None, int | None, Literal[3]] = (None, None, 3),
) -> keras.Model:
    """Build a fully convolutional network for semantic segmentation.

    The model maps RGB images, `(batch, height, width, 3)` of uint8 or float in
    [0, 255], to logits, float32 `(batch, height, width, num_classes)`. Any height and
    width of at least 1 is accepted: the padding to a multiple of 32, the channel order
    and the means of VGG16 are part of the model. Under a mixed precision policy the
    encoder computes in the short type, the decoder in float32.

    `keras_fcn.from_pretrained()` returns a trained network.

    Args:
        variant: "32s", "16s", "8s" or "4s", the stride of the finest logits that are
            fused; the paper has the first three.
        num_classes: number of classes, without void.
        head: "vgg" (fc6 7x7 and fc7 1x1 with 4096 filters: 134 M parameters) or
            "compact" (fc6 3x3 with dilation rate 3, the same receptive field as the
            7x7 kernel, and fc7 1x1 with 512 filters: 17 M parameters).
        weights: "imagenet" (VGG16's file with its dense layers, downloaded by Keras if
            it is missing), the path of an `.h5` file of `keras.applications.VGG16`,
            with or without its dense layers, or None (He initialization).
        head_filters: filters of fc6 and fc7; by default 4096 (vgg) or 512 (compact).
            The vgg head takes no other number than 4096.
        dropout: rate of dropout after fc6 and fc7 in training.
        skip_scales: scaling of the pools before their logits are computed:
            "batch-norm", "paper" for the fixed factors 0.01 (pool4) and 0.0001 (pool3)
            of the reference's at-once training and 1e-6 for pool2, or "none", as in its
            staged training.
        upsampling: "transposed" (convolution whose kernel starts as bilinear
            interpolation), "bilinear", "nearest", "bed-of-nails" or "max-unpooling";
            see `upsampling.py`.
        freeze_upsampling: keep the bilinear kernels fixed, as the reference does.
        freeze_blocks: number of VGG16's first blocks that are not trained, 0 to 5.
        input_shape: `(height, width, 3)`; None for a free size.

    Returns:
        A functional `keras.Model` named `fcn32s`, `fcn16s`, `fcn8s` or `fcn4s`.

    Raises:
        ValueError: if an argument is none of the above or the weights do not fit.
        OSError: if the weights file is missing, unreadable or can't be downloaded.

    Reference: Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic
    Segmentation", CVPR 2015.
    """
    options = dict(locals())
    del options["weights"]
    return build_network(Architecture(**options), weights)


def build_network(
    architecture: Architecture, weights: str | Path | None
) -> keras.Model:
    """Build a network with VGG16's weights or random ones.

    Args:
        architecture: its options.
        weights: as for `FCN`.

    Raises:
        ValueError, OSError: as `FCN`.
    """
    model = _build_graph(architecture)
    load_vgg16_weights(model, weights)
    return model


class _Uninitialized(keras.initializers.Zeros):
    """Zeros in place of the random numbers of the initializer `name`."""

    name = ""


class _UninitializedGlorot(_Uninitialized):
    name = "glorot_uniform"


class _UninitializedHe(_Uninitialized):
    name = "he_normal"


def build_uninitialized(architecture: Architecture) -> keras.Model:
    """Build a network without random weights, for weights that are loaded next.

    Sampling random weights takes longer than loading trained ones. The configuration of
    the network is that of one with random weights. Networks that other threads build at
    the same time are not affected.

    Args:
        architecture: its options.
    """
    with keras.utils.custom_object_scope(
        {zeros.name: zeros for zeros in (_UninitializedGlorot, _UninitializedHe)}
    ):
        model = _build_graph(architecture)
    for layer in model.layers:
        initializer = getattr(layer, "kernel_initializer", None)
        if isinstance(initializer, _Uninitialized):
            layer.kernel_initializer = keras.initializers.get(initializer.name)
    return model


def _build_graph(architecture):
    image = keras.Input(architecture.input_shape, name="image", dtype="float32")
    x = VGGPreprocessing(name="preprocessing", dtype="float32")(image)  # (N, H, W, 3)
    # From here on H and W are multiples of 32.
    x = PadToMultiple(name="padding", dtype="float32")(x)  # (N, H, W, 3)
    encoder = keras.applications.VGG16(include_top=False, weights=None, input_tensor=x)
    frozen = tuple(f"block{n + 1}" for n in range(architecture.freeze_blocks))
    for layer in encoder.layers:
        if layer.name.startswith(frozen):
            layer.trainable = False
    x = _head(encoder.output, architecture)  # (N, H/32, W/32, F)
    x = _decoder(x, encoder, architecture)  # (N, H, W, C)
    logits = CropToImage(name="logits", dtype="float32")(x, image)
    return keras.Model(image, logits, name=f"fcn{architecture.variant}")


def _head(x, architecture):
    """fc6 and fc7 as convolutions: `(N, H/32, W/32, 512)` to `(..., filters)`."""
    if architecture.head == "vgg":
        window = {"kernel_size": 7}
    else:
        # Rows and columns 0, 3 and 6 of the 7x7 window: the same receptive field.
        window = {"kernel_size": 3, "dilation_rate": 3}
    options = {
        "padding": "same",
        "activation": "relu",
        "kernel_initializer": "he_normal",
    }
    x = layers.Conv2D(architecture.filters, **window, **options, name="fc6")(x)
    x = layers.Dropout(architecture.dropout, name="drop6")(x)
    x = layers.Conv2D(architecture.filters, 1, **options, name="fc7")(x)
    return layers.Dropout(architecture.dropout, name="drop7")(x)


def _decoder(x, encoder, architecture):
    """Fuse the logits of fc7 and of the pools; `(N, H, W, C)` of the padded image."""

    def score(features, name):
        # Zeros: a new skip changes nothing until it is trained. float32, because
        # bfloat16 rounds logits to 8 bits.
        return layers.Conv2D(
            architecture.num_classes,
            kernel_size=1,
            kernel_initializer="zeros",
            name=name,
            dtype="float32",
        )(features)

    def upscore(logits, factor, name, block):
        """Upsample logits of the stride of a block's pooling."""
        pooled = [
            encoder.get_layer(f"block{block - step}_pool").input
            for step in range(factor.bit_length() - 1)
        ]
        return upsample(
            logits,
            factor,
            architecture.upsampling,
            name,
            pooled,
            trainable=not architecture.freeze_upsampling,
        )

    logits = score(x, "score_fr")  # (N, H/32, W/32, C)
    name = "upscore2"
    # The pooling of block b has a stride of 2 ** b.
    last_block = architecture.stride.bit_length() - 1
    for block in range(4, last_block - 1, -1):
        logits = upscore(logits, 2, name, block + 1)  # (N, H/2**block, W/2**block, C)
        pool = f"pool{block}"
        features = encoder.get_layer(f"block{block}_pool").output
        if architecture.skip_scales == "batch-norm":
            features = layers.BatchNormalization(
                momentum=0.9, name=f"norm_{pool}", dtype="float32"
            )(features)
        elif architecture.skip_scales == "paper":
            features = layers.Rescaling(
                _PAPER_SKIP_SCALES[pool], name=f"scale_{pool}", dtype="float32"
            )(features)
        logits = layers.Add(name=f"fuse_{pool}", dtype="float32")(
            [logits, score(features, f"score_{pool}")]
        )
        name = f"upscore_{pool}"
    stride = architecture.stride
    return upscore(logits, stride, f"upscore{stride}", last_block)  # (N, H, W, C)
