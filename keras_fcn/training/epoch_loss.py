"""The mean loss of an epoch, on the device."""

from typing import Any

import keras
from keras import ops

from keras_fcn.typing import Tensor


class EpochLoss(keras.metrics.Metric):
    """Mean of the losses of an epoch's batches, each weighted by its labeled pixels.

    Images that fill up the last batch are void everywhere and have no weight. Without
    class weights it is the mean over all labeled pixels.

    The sum stays on the device: fetching the loss of each step would make the host wait
    for the device. A loss that is not finite makes the sum not finite, so that looking
    at it now and then is enough; `first_non_finite_step` returns the step.

    Args:
        name: the metric's name.
    """

    def __init__(self, name: str = "epoch_loss"):
        super().__init__(name=name)
        # Every replica adds the loss of the whole batch, so any copy can be read.
        self._total, self._weight, self._num_finite = (
            self.add_variable(
                (), "zeros", dtype, aggregation="only_first_replica", name=variable
            )
            for variable, dtype in (
                ("total", "float32"),
                ("weight", "float32"),
                ("finite", "int32"),
            )
        )

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Add the loss of a batch.

        Args:
            args: `loss`, float scalar, the mean over the batch's labeled pixels; and
                `num_labelled`, float scalar, the number of these.
            kwargs: none; void pixels have no weight.

        Raises:
            ValueError: if `sample_weight` is given.
        """
        if kwargs.get("sample_weight") is not None:
            raise ValueError("The loss of an epoch has no `sample_weight`")
        loss, num_labelled = args
        self._total.assign(self._total + ops.cast(loss, "float32") * num_labelled)
        self._weight.assign(self._weight + num_labelled)
        # Counts the steps up to the first loss that is not finite: the sum stays so.
        self._num_finite.assign(
            self._num_finite + ops.cast(ops.isfinite(self._total), "int32")
        )

    def result(self) -> Tensor:
        """Return the mean so far in nats, float32 scalar; 0 if nothing is labeled."""
        return self._total / ops.maximum(self._weight, 1.0)

    def first_non_finite_step(self) -> int:
        """Return the first step, counted from 1, whose loss was not finite.

        One more than the number of steps if all losses were finite.
        """
        return int(ops.convert_to_numpy(self._num_finite)) + 1
