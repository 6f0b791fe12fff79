"""Checks of labels and predictions, for losses and metrics."""

import keras
from keras import ops

from keras_fcn.typing import Tensor


def aligned_labels(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Return the labels of predictions, after a check of the shapes.

    Args:
        y_true: class ids `(batch, height, width)` or `(batch, height, width, 1)`.
        y_pred: `(batch, height, width, num_classes)`.

    Returns:
        int32 `(batch, height, width)`.

    Raises:
        ValueError: if the numbers of axes, the heights or the widths do not fit.
    """
    y_true = ops.convert_to_tensor(y_true)
    received = f"Received: {tuple(y_true.shape)} and {tuple(y_pred.shape)}"
    if len(y_pred.shape) != 4 or len(y_true.shape) not in (3, 4):
        raise ValueError(
            "`y_true` must be class ids (batch, height, width), and `y_pred` (batch, "
            f"height, width, num_classes). {received}"
        )
    if len(y_true.shape) == 4:
        if y_true.shape[-1] != 1:
            raise ValueError(
                "`y_true` must be class ids with one channel, not one-hot: use "
                f"`keras.ops.argmax(y_true, axis=-1)`. {received}"
            )
        y_true = ops.squeeze(y_true, axis=-1)
    sizes = zip(y_true.shape[1:3], y_pred.shape[1:3], strict=True)
    if any(None not in pair and pair[0] != pair[1] for pair in sizes):
        raise ValueError(
            f"Label map and logits must have the same height and width. {received}"
        )
    return ops.cast(y_true, "int32")


def check_ids(
    label_map: Tensor, num_classes: int, ignore_class: int | None
) -> tuple[Tensor, Tensor]:
    """Check that labels are classes or void, also in a compiled step.

    Args:
        label_map: int32 `(batch, height, width)`.
        num_classes: number of classes, without void.
        ignore_class: id of void; None if there is none.

    Returns:
        The labels with 0 in place of other ids, which operations of the backend would
        refuse with messages of their own; and a float32 scalar: 0 if all ids are valid.
        Otherwise NaN where a compiled step can't raise an error, which is the case
        under XLA on TensorFlow.

    Raises:
        ValueError: if there is another id, and the values are known. A compiled step
            raises an error of its backend with the same message.
    """
    is_valid = (label_map >= 0) & (label_map < num_classes)
    void = "" if ignore_class is None else f" or {ignore_class} for void"
    if ignore_class is not None:
        is_valid |= label_map == ignore_class
    wrong = ops.max(ops.where(is_valid, -1, ops.absolute(label_map)))
    message = f"`y_true` must be class ids from 0 to {num_classes - 1}{void}"

    def refuse(wrong: Tensor) -> None:
        raise ValueError(f"{message}. Received: id {int(wrong)}")

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        if tf.executing_eagerly():
            if wrong >= 0:
                refuse(wrong)
        else:
            tf.debugging.assert_less(wrong, 0, f"{message}. Received another id")
    elif keras.backend.backend() == "jax":
        import jax

        jax.lax.cond(
            wrong >= 0, lambda x: jax.debug.callback(refuse, x), lambda x: None, wrong
        )
    checked = ops.where(is_valid, label_map, 0)
    return checked, ops.where(wrong >= 0, float("nan"), 0.0)
