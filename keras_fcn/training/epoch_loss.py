"""The loss of an epoch, summed on the device."""

import keras
from keras import ops

from keras_fcn.typing import Tensor


class EpochLoss(keras.metrics.Metric):
    """Mean of the losses of an epoch's batches, each weighted by its labelled pixels.

    So that examples that are void everywhere, which fill up the last batch, count
    nothing. Without class weights it is the mean over all labelled pixels.

    A loss that is not finite makes the mean not finite until the next epoch;
    `first_non_finite_step` tells when it came.

    Args:
        name: the metric's name.
    """

    def __init__(self, name: str = "epoch_loss"):
        super().__init__(name=name)
        # All replicas count the whole batch, so that any of them can be read.
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

    def update_state(
        self, loss: Tensor, num_labelled: Tensor, sample_weight: None = None
    ) -> None:
        """Add the loss of a batch.

        Args:
            loss: float scalar, the mean over the batch's labelled pixels.
            num_labelled: float scalar, the number of these.
            sample_weight: must be None; void is what has no weight.

        Raises:
            ValueError: if `sample_weight` is given.
        """
        if sample_weight is not None:
            raise ValueError("The loss of an epoch takes no `sample_weight`")
        self._total.assign(self._total + ops.cast(loss, "float32") * num_labelled)
        self._weight.assign(self._weight + num_labelled)
        # Stops for good at the first that is not finite, as the total is not from then.
        self._num_finite.assign(
            self._num_finite + ops.cast(ops.isfinite(self._total), "int32")
        )

    def result(self) -> Tensor:
        """Mean so far in nats, float32 scalar; 0 where nothing is labelled."""
        return self._total / ops.maximum(self._weight, 1.0)

    def first_non_finite_step(self) -> int:
        """Return the step of the epoch, from 1, in which the loss was not finite.

        It is one more than the epoch's steps if all were finite.
        """
        return int(ops.convert_to_numpy(self._num_finite)) + 1
