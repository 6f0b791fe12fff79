"""Communication between the workers of a training, outside the compiled step.

It uses TensorFlow's coordination service, a key-value store with barriers, which also
detects within seconds that a worker has ended. Gradients and batch statistics do not
pass through it: they are all-reduced in the step.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from keras_fcn.errors import PeerLost, one_line, summarize

_DAY = 24 * 3600 * 1000  # milliseconds; another worker may be preparing a data set
# The worker that ended; the device of the failed operation is named after "device_".
_TASK = re.compile(r"(?<!device_)/job:worker/(?:replica:0/)?task:(\d+)")
Result = TypeVar("Result")


class Workers:
    """The processes of a training. All must call the same methods in the same order.

    Args:
        worker: number of this process, from 0.
        num_workers: number of processes.
    """

    def __init__(self, worker: int = 0, num_workers: int = 1):
        self.worker = worker
        self.num_workers = num_workers
        self._num_gathers = 0

    @property
    def is_first(self) -> bool:
        """Whether this worker writes the run."""
        return self.worker == 0

    def all_gather(self, value: object) -> list:
        """Return the values of all workers, in their order.

        Args:
            value: this worker's, of types that JSON has.

        Raises:
            PeerLost: if a worker has ended.
        """
        from tensorflow.python.eager import context as tf_context

        if self.num_workers == 1:
            return [value]
        self._num_gathers += 1
        name, service = f"gather-{self._num_gathers}", tf_context.context()
        with detect_lost_peers():
            service.set_config_key_value(f"{name}/{self.worker}", json.dumps(value))
            service.wait_at_barrier(f"{name}/written", _DAY)
            values = [
                json.loads(service.get_config_key_value(f"{name}/{worker}"))
                for worker in range(self.num_workers)
            ]
            # The values are in the first worker's memory: it must not end before all
            # have read them.
            service.wait_at_barrier(f"{name}/read", _DAY)
        return values

    def barrier(self) -> None:
        """Wait for all workers."""
        self.all_gather(None)

    @contextmanager
    def fail_together(self) -> Iterator[None]:
        """Raise on all workers if a block raises ValueError or OSError on one of them.

        Raises:
            ValueError: on the workers whose own block succeeded; names the other.
        """
        try:
            yield
        except (ValueError, OSError) as error:
            self.all_gather(one_line(error))
            raise
        errors = self.all_gather(None)
        failed = [f"worker {n}: {error}" for n, error in enumerate(errors) if error]
        if failed:
            raise ValueError(f"The training can't start because of {failed[0]}")

    def first_then_others(self, work: Callable[[], Result]) -> Result:
        """Call a function on the first worker, and then on all others.

        If the workers share a disk, the others find what the first has prepared;
        otherwise each prepares it on its own disk.

        Args:
            work: the function; its result is returned.

        Raises:
            ValueError: if it fails on another worker.
        """
        with self.fail_together():
            if self.is_first:
                result = work()
        if self.num_workers > 1:
            with self.fail_together():
                if not self.is_first:
                    result = work()
        return result

    def check_same(self, values: Mapping[str, object], what: str) -> None:
        """Raise ValueError if a worker differs from the first one.

        Args:
            values: values by name that must be the same on all workers.
            what: word for them in the message.

        Raises:
            ValueError: names the worker and what differs.
        """
        first, *others = self.all_gather(values)
        for number, other in enumerate(others, start=1):
            differing = [
                f"{name} {other.get(name)} instead of {first.get(name)}"
                for name in {**first, **other}
                if other.get(name) != first.get(name)
            ]
            if differing:
                raise ValueError(
                    f"All workers must have the same {what}. "
                    f"Received on worker {number}: {summarize(differing)}"
                )


@contextmanager
def detect_lost_peers() -> Iterator[None]:
    """Turn TensorFlow's errors about a worker that has ended into `PeerLost`."""
    import tensorflow as tf

    try:
        yield
    except (
        tf.errors.UnavailableError,
        tf.errors.AbortedError,
        tf.errors.CancelledError,
        tf.errors.DeadlineExceededError,
        tf.errors.InternalError,
        tf.errors.FailedPreconditionError,
    ) as error:
        message = str(error)
        lost = sorted(set(_TASK.findall(message)), key=int)
        if not lost and "ollective" not in message and "arrier" not in message:
            raise
        who = f"Worker {', '.join(lost)}" if lost else "Another worker"
        raise PeerLost(
            f"{who} has ended: this worker ends, too. Start all of them again with "
            "`auto_resume`"
        ) from error
