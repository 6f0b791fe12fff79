"""Keras models for prediction that share the weights of a network."""

from collections.abc import Sequence

import keras
from keras import layers, ops

from keras_fcn.models.devices import use_xla
from keras_fcn.models.layers import SeededDropout


def inference_model(
    model: keras.Model,
    output: keras.KerasTensor | Sequence[keras.KerasTensor],
    suffix: str,
) -> keras.Model:
    """Return a compiled model from a network's images to tensors of its graph.

    Args:
        model: a network of `FCN`; its weights are shared, not copied.
        output: the outputs of the new model.
        suffix: appended to the network's name.
    """
    inference = keras.Model(model.input, output, name=f"{model.name}_{suffix}")
    inference.compile(jit_compile=use_xla(has_one_size=False))
    return inference


def prediction_model(model: keras.Model) -> keras.Model:
    """Return a model that computes label maps, int32 `(batch, height, width)`.

    Args:
        model: a network of `FCN`; its weights are shared, not copied.
    """
    return inference_model(model, ops.argmax(model.output, axis=-1), "label_map")


def logits_model(model: keras.Model, temperature: float = 1.0) -> keras.Model:
    """Return a model that computes logits, compiled for prediction.

    Args:
        model: a network of `FCN`; its weights are shared, not copied.
        temperature: divisor of the logits.
    """
    return inference_model(model, model.output / temperature, "logits")


def confidence_model(model: keras.Model, temperature: float = 1.0) -> keras.Model:
    """Return a model that computes label maps and the probability of each label.

    They are int32 and float32, both `(batch, height, width)`.

    Args:
        model: a network of `FCN`; its weights are shared, not copied.
        temperature: divisor of the logits before the softmax.
    """
    logits = model.output  # (N, H, W, C)
    confidence = ops.max(ops.softmax(logits / temperature), axis=-1)  # (N, H, W)
    return inference_model(
        model, [ops.argmax(logits, axis=-1), confidence], "confidence"
    )


def dropout_model(model: keras.Model) -> keras.Model:
    """Return a model that computes probabilities with dropout, for Monte-Carlo dropout.

    Each call samples new random numbers. All other layers work as in inference, also
    batch normalization.

    Args:
        model: a network of `FCN`; its weights are shared, not copied.

    Reference: Gal and Ghahramani, "Dropout as a Bayesian approximation", 2016.
    """

    def replace_dropout(layer):
        if isinstance(layer, layers.Dropout):
            return SeededDropout.from_config(layer.get_config())
        return layer

    stochastic = keras.models.clone_model(model, clone_function=replace_dropout)
    return inference_model(stochastic, ops.softmax(stochastic.output), "dropout")
