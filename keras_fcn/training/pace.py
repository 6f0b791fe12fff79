"""How fast an epoch of a training goes, and when that is told."""

import time
from collections.abc import Callable, Iterator

from keras_fcn.typing import Tensor


class TrainingProgress:
    """Speed of an epoch so far.

    The host runs ahead of the device: figures are true when the device has been waited
    for, as a report does.

    Args:
        num_images: images of the epoch.
        batch_size: images in a batch; what fills up the last is not counted.
        seconds_between: from one report to the next.
        first_step: steps of the epoch that were done before.
    """

    def __init__(
        self,
        num_images: int,
        batch_size: int,
        seconds_between: float,
        first_step: int = 0,
    ):
        self._num_images = num_images
        self._batch_size = batch_size
        self._seconds_between = seconds_between
        self._num_steps = first_step
        self.start_anew()

    def start_anew(self) -> None:
        """Count from now on: what was before, as compiling, is not in the speed."""
        self._started = self._reported = time.monotonic()
        self._waited = 0.0
        self._images_before = self._images_so_far

    def timed(
        self, batches: Iterator[dict[str, Tensor]], is_busy: Callable[[], bool]
    ) -> Iterator[dict[str, Tensor]]:
        """Iterate over batches, and count the time in which the device waits for one.

        Args:
            batches: of the epoch, one a step.
            is_busy: whether the device still works on the step before. Time that is
                spent meanwhile is not lost.
        """
        while True:
            asked = time.monotonic()
            batch = next(batches, None)
            if batch is None:
                return
            if not is_busy():
                self._waited += time.monotonic() - asked
            self._num_steps += 1
            yield batch

    @property
    def seconds(self) -> float:
        """Seconds that are counted."""
        return time.monotonic() - self._started

    def is_due(self) -> bool:
        """Whether it is time for a report; it is after the last step."""
        is_last = self._images_so_far == self._num_images
        return is_last or time.monotonic() - self._reported >= self._seconds_between

    def report(self) -> dict[str, float]:
        """Return `images_per_second` and `data_wait`, the share of time waited."""
        self._reported = time.monotonic()
        passed = max(self._reported - self._started, 1e-9)
        return {
            "images_per_second": (self._images_so_far - self._images_before) / passed,
            "data_wait": self._waited / passed,
        }

    @property
    def _images_so_far(self):
        return min(self._num_steps * self._batch_size, self._num_images)
