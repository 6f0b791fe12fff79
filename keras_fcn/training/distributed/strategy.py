"""The devices of a training: one, several of a machine, or those of several machines.

The devices of one machine compute with `MirroredStrategy`, those of several with
`MultiWorkerMirroredStrategy`, whose collective operations all-reduce gradients and
batch statistics. Keras's `fit` fails under the latter (Keras issue 20585); the
trainer's step works.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras
import numpy as np

from keras_fcn.training.distributed.cluster import Cluster
from keras_fcn.training.distributed.communication import Workers, detect_lost_peers
from keras_fcn.training.distributed.rendezvous import connect_workers


class Distribution(Workers):
    """The devices of a training, of this process and of the other workers.

    Each worker is a process, each replica a device. The global batch is divided into
    contiguous parts of equal length, one for each replica, in the order of the workers.

    Args:
        strategy: of tf.distribute; None for one device.
        cluster: the workers; None for one.
        devices: names of this process's devices; () for the default one.
    """

    def __init__(
        self,
        strategy: Any = None,  # TensorFlow's strategies have no types
        cluster: Cluster | None = None,
        devices: tuple[str, ...] = (),
    ):
        if cluster is None:
            super().__init__()
        else:
            super().__init__(cluster.index, len(cluster.addresses))
        self.strategy = strategy
        self.devices = devices
        self.num_replicas = 1 if strategy is None else strategy.num_replicas_in_sync
        self._compiled: dict[Callable, Callable] = {}
        self._all_reduce_flags: Callable | None = None
        self._flags: Any = None  # of the previous step, on the device

    @property
    def num_local(self) -> int:
        """Number of this worker's replicas."""
        return self.num_replicas // self.num_workers

    def scope(self) -> AbstractContextManager:
        """Return the context in which variables must be created."""
        return nullcontext() if self.strategy is None else self.strategy.scope()

    def check_batch_size(self, batch_size: int) -> None:
        """Raise ValueError if a global batch is not a multiple of the devices.

        Args:
            batch_size: images in a step, of all devices together.

        Raises:
            ValueError: names the nearest multiples.
        """
        if batch_size % self.num_replicas == 0:
            return
        below = batch_size // self.num_replicas * self.num_replicas
        nearest = [str(n) for n in (below, below + self.num_replicas) if n]
        raise ValueError(
            f"`batch_size` is of all {self.num_replicas} devices together and must be "
            f"a multiple of them: {' or '.join(nearest)} is nearest. "
            f"Received: batch_size={batch_size}"
        )

    def local_positions(self, batch_size: int) -> list[range]:
        """Return the positions in the global batch of each local replica.

        Args:
            batch_size: of all devices together, a multiple of their number.
        """
        length = batch_size // self.num_replicas
        first = self.worker * self.num_local
        return [
            range(replica * length, (replica + 1) * length)
            for replica in range(first, first + self.num_local)
        ]

    def per_replica(self, batches: tuple[dict, ...]) -> dict:
        """Return the batches of the local replicas as one value of tf.distribute.

        Args:
            batches: one for each local replica.
        """
        first = self.worker * self.num_local
        return self.strategy.experimental_distribute_values_from_function(
            lambda replica: batches[replica.replica_id_in_sync_group - first]
        )

    def broadcast(self, variables: list[keras.Variable]) -> None:
        """Assign the first worker's values on all workers.

        Args:
            variables: the same variables on all workers, in the same order.
        """
        import tensorflow as tf

        if self.num_workers == 1:
            return
        for variable in variables:
            value = keras.ops.convert_to_numpy(variable)
            if not self.is_first:
                value = np.zeros_like(value)  # a broadcast as a sum
            with detect_lost_peers():
                total = self.strategy.reduce("SUM", tf.constant(value), axis=None)
            variable.assign(total)

    def offset_seed(self, state: keras.Variable) -> None:
        """Make the seed of a seed generator different on each replica.

        Args:
            state: integer `(2,)`, the seed and a counter.
        """
        if self.num_replicas == 1:
            return
        import tensorflow as tf

        first = self.worker * self.num_local
        parts = self.strategy.experimental_local_results(state.value)
        for replica, part in enumerate(parts, start=first):
            part.assign_add(tf.constant([replica, 0], part.dtype))

    def compiled(self, step: Callable[[dict], dict]) -> Callable[[dict], dict]:
        """Return a compiled function that runs a step on all replicas.

        Args:
            step: takes the batch of one replica and returns scores that are the same on
                all replicas.
        """
        import tensorflow as tf

        if step not in self._compiled:

            @tf.function(reduce_retracing=True)
            def run(batch):
                return self.strategy.run(step, args=(batch,))

            self._compiled[step] = run

        def run_and_take_first(batch: dict) -> dict:
            with detect_lost_peers():
                scores = self._compiled[step](batch)
                return {
                    name: self.strategy.experimental_local_results(value)[0]
                    for name, value in scores.items()
                }

        return run_and_take_first

    def any_worker(self, *flags: bool, is_delayed: bool = False) -> list[bool]:
        """All-reduce flags: return which of them any worker has set.

        Args:
            flags: this worker's.
            is_delayed: with several workers, return the result of the previous delayed
                call (all False at first), so that no step waits for the slowest
                worker's flags.
        """
        import tensorflow as tf

        if self.num_workers == 1:
            return list(flags)
        if self._all_reduce_flags is None:
            strategy = self.strategy

            @tf.function
            def all_reduce(values):
                def on_replica():
                    context = tf.distribute.get_replica_context()
                    return context.all_reduce("SUM", tf.cast(values, tf.float32))

                total = strategy.run(on_replica)
                return strategy.experimental_local_results(total)[0] > 0

            self._all_reduce_flags = all_reduce
        with detect_lost_peers():
            result = self._all_reduce_flags(tf.constant(flags))
            if is_delayed:
                result, self._flags = self._flags, result
            return [False] * len(flags) if result is None else result.numpy().tolist()

    def seconds_of_all_reduce(self, num_bytes: int) -> float:
        """Measure the sum of float32 values over all devices: the best of three.

        Args:
            num_bytes: size of the values of one device.
        """
        import tensorflow as tf

        if self.num_replicas == 1:
            return 0.0

        @tf.function
        def add():
            def on_replica():
                values = tf.zeros([num_bytes // 4])
                total = tf.distribute.get_replica_context().all_reduce("SUM", values)
                return total[0]

            return self.strategy.run(on_replica)

        seconds = []
        with detect_lost_peers():
            for _ in range(4):  # the first call compiles
                started = time.monotonic()
                for value in self.strategy.experimental_local_results(add()):
                    value.numpy()
                seconds.append(time.monotonic() - started)
        return min(seconds[1:])

    def describe(self) -> str:
        """Return the number of devices and workers as text; "" for one device."""
        if self.num_replicas == 1:
            return ""
        workers = f" on {self.num_workers} workers" if self.num_workers > 1 else ""
        return f"{self.num_replicas} devices{workers}"


def join(cluster: Cluster | None, devices: int | None = None) -> Distribution:
    """Select the devices of this machine and connect to the other workers.

    Must be called before TensorFlow computes anything.

    Args:
        cluster: the workers; None for this process only.
        devices: number of this machine's devices; None for all GPUs.

    Raises:
        ValueError: if there are fewer devices, the backend does not support several,
            or this worker's port is in use.
        PeerLost: if a worker does not answer.
    """
    import tensorflow as tf

    if keras.backend.backend() != "tensorflow":
        if cluster is not None or (devices or 1) > 1:
            raise ValueError(
                "The JAX backend trains on one device of one host: several need "
                "KERAS_BACKEND=tensorflow. Received: "
                + ("several workers" if cluster else f"devices={devices}")
            )
        return Distribution()
    names = _select_devices(devices)
    if cluster is not None:
        return Distribution(connect_workers(cluster), cluster, names)
    if len(names) > 1:
        return Distribution(tf.distribute.MirroredStrategy(names), None, names)
    return Distribution()


def _select_devices(devices: int | None) -> tuple[str, ...]:
    """Return the names of the GPUs that are used, or of the CPUs without GPUs."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    kind, count = "GPU", len(gpus)
    if not gpus:
        # One, unless a test has divided it.
        (cpu,) = tf.config.list_physical_devices("CPU")
        parts = tf.config.get_logical_device_configuration(cpu) or [None]
        kind, count = "CPU", len(parts)
    if devices is not None and devices > count:
        raise ValueError(
            f"`devices` must be at most {count}, the {kind}s of this machine. "
            f"Received: devices={devices}"
        )
    if gpus and devices is not None:
        tf.config.set_visible_devices(gpus[:devices], "GPU")
    return tuple(f"{kind}:{index}" for index in range(devices or count))
