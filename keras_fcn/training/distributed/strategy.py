"""A training on several devices and machines: tf.distribute, and what workers agree on.

The devices of one machine compute by `MirroredStrategy`, those of several by
`MultiWorkerMirroredStrategy`. Its collective operations carry gradients and statistics;
TensorFlow's coordination service, which notices within seconds that a worker is gone,
carries words. Keras's `fit` does not work under it (Keras issue 20585); the trainer's
step does.
"""

import json
import logging
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import keras
import numpy as np

from keras_fcn.errors import PeerLost, one_line, summarize
from keras_fcn.training.distributed.cluster import Cluster

logger = logging.getLogger(__name__)

START_TIMEOUT = 300  # seconds that workers wait for one another
_DAY = 24 * 3600 * 1000  # milliseconds: for what data take to be prepared
# Of the worker that is gone; the operation's own device is named after "device_".
_TASK = re.compile(r"(?<!device_)/job:worker/(?:replica:0/)?task:(\d+)")


class Distribution:
    """The devices that a training runs on, of this process and of its peers.

    Each worker is a process, each replica a device. The global batch lies on the
    replicas one piece after the other, in the order of the workers.

    Args:
        strategy: of tf.distribute; None for one device.
        cluster: the workers; None for one.
        devices: names of this process's devices; () for the default one.
    """

    def __init__(
        self,
        strategy: object = None,
        cluster: Cluster | None = None,
        devices: tuple[str, ...] = (),
    ):
        self.strategy = strategy
        self.num_workers = 1 if cluster is None else len(cluster.addresses)
        self.worker = 0 if cluster is None else cluster.index
        self.devices = devices
        self.num_replicas = 1 if strategy is None else strategy.num_replicas_in_sync
        self._num_exchanges = 0
        self._compiled = {}
        self._add = self._wishes = None

    @property
    def is_first(self) -> bool:
        """Whether this worker writes the run."""
        return self.worker == 0

    @property
    def num_local(self) -> int:
        """Number of this worker's replicas."""
        return self.num_replicas // self.num_workers

    def scope(self):
        """Return the context in which variables are made."""
        return nullcontext() if self.strategy is None else self.strategy.scope()

    def check_batch_size(self, batch_size: int) -> None:
        """Refuse a global batch that is not a multiple of the devices.

        Args:
            batch_size: images in a step, of all devices together.

        Raises:
            ValueError: names the nearest that are.
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

    def pieces(self, batch_size: int) -> list[range]:
        """Return the positions in the global batch of each local replica.

        Args:
            batch_size: of all devices together, a multiple of them.
        """
        length = batch_size // self.num_replicas
        first = self.worker * self.num_local
        return [
            range(replica * length, (replica + 1) * length)
            for replica in range(first, first + self.num_local)
        ]

    def regroup(self, batches: list[dict]) -> dict:
        """Return the batches of the local replicas as what `run` takes.

        Args:
            batches: one for each.
        """
        if len(batches) == 1:
            return batches[0]
        first = self.worker * self.num_local
        return self.strategy.experimental_distribute_values_from_function(
            lambda replica: batches[replica.replica_id_in_sync_group - first]
        )

    def exchange(self, value: object) -> list:
        """Return the values that all workers give, in their order.

        All workers must call it as often and in the same order.

        Args:
            value: anything that JSON has.

        Raises:
            PeerLost: if a worker is gone.
        """
        from tensorflow.python.eager import context as tf_context

        if self.num_workers == 1:
            return [value]
        self._num_exchanges += 1
        name, service = f"exchange-{self._num_exchanges}", tf_context.context()
        with peers_watched():
            service.set_config_key_value(f"{name}/{self.worker}", json.dumps(value))
            service.wait_at_barrier(f"{name}/given", _DAY)
            values = [
                json.loads(service.get_config_key_value(f"{name}/{worker}"))
                for worker in range(self.num_workers)
            ]
            # The first worker has the values: it must not end before all have read.
            service.wait_at_barrier(f"{name}/read", _DAY)
        return values

    @contextmanager
    def together(self) -> Iterator[None]:
        """Let no worker go on after a block that fails on one of them.

        Raises:
            ValueError: on the workers on which it did not fail; tells where it did.
        """
        try:
            yield
        except (ValueError, OSError) as error:
            self.exchange(one_line(error))
            raise
        self._check_all_right(self.exchange(None))

    def first_then_others(self, work: Callable[[], object]) -> object:
        """Do something on the first worker, and then on all others.

        What the first one prepares on a disk that is shared, the others find there; on
        disks of their own they prepare it too.

        Args:
            work: what is done; its result is returned.

        Raises:
            ValueError: if it fails on another worker.
        """
        result = None
        for is_turn in (self.is_first, not self.is_first):
            with self.together():
                result = work() if is_turn else result
            if self.num_workers == 1:
                break
        return result

    def check_same(self, values: dict[str, object], what: str) -> None:
        """Refuse workers that differ from the first one.

        Args:
            values: what must be the same on all, by name.
            what: what they are, for the message.

        Raises:
            ValueError: names the worker and what differs.
        """
        first, *others = self.exchange(values)
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

    def copy_from_first(self, variables: list[keras.Variable]) -> None:
        """Give all workers the first one's values.

        Args:
            variables: the same on all, in one order.
        """
        import tensorflow as tf

        if self.num_workers == 1:
            return
        for variable in variables:
            value = keras.ops.convert_to_numpy(variable)
            if not self.is_first:
                value = np.zeros_like(value)
            with peers_watched():
                total = self.strategy.reduce("SUM", tf.constant(value), axis=None)
            variable.assign(total)

    def let_differ(self, state: keras.Variable) -> None:
        """Make the state of a seed generator another one on each replica.

        Args:
            state: integer `(2,)`, a seed and how often it was drawn from.
        """
        if self.num_replicas == 1:
            return
        import tensorflow as tf

        first = self.worker * self.num_local
        parts = self.strategy.experimental_local_results(state.value)
        for replica, part in enumerate(parts, start=first):
            part.assign_add(tf.constant([replica, 0], part.dtype))

    def compiled(self, step: Callable[[dict], dict]) -> Callable[[dict], dict]:
        """Return a step of all replicas, each on its part of the batch.

        Args:
            step: takes what one replica gets, and returns what is the same on all.
        """
        import tensorflow as tf

        if step not in self._compiled:

            @tf.function(reduce_retracing=True)
            def run(batch):
                return self.strategy.run(step, args=(batch,))

            self._compiled[step] = run

        def watched(batch):
            with peers_watched():
                scores = self._compiled[step](batch)
                return {
                    name: self.strategy.experimental_local_results(value)[0]
                    for name, value in scores.items()
                }

        return watched

    def agree(self, *wishes: bool) -> list[bool]:
        """Tell which wishes any worker had a step before, the same on all.

        Of the step before, so that nobody waits for the others.

        Args:
            wishes: this worker's, now.
        """
        import tensorflow as tf

        if self.num_workers == 1:
            return list(wishes)
        if self._add is None:
            self._add = tf.function(self._add_wishes)
        with peers_watched():
            before, self._wishes = self._wishes, self._add(tf.constant(wishes))
            return [False] * len(wishes) if before is None else before.numpy().tolist()

    def _add_wishes(self, wishes):
        import tensorflow as tf

        def of_replica():
            return tf.distribute.get_replica_context().all_reduce(
                "SUM", tf.cast(wishes, tf.float32)
            )

        total = self.strategy.run(of_replica)
        return self.strategy.experimental_local_results(total)[0] > 0

    def seconds_of_all_reduce(self, num_bytes: int) -> float:
        """Measure a sum of float32 over all devices: the best of three.

        Args:
            num_bytes: of one device's values.
        """
        import tensorflow as tf

        if self.num_replicas == 1:
            return 0.0

        @tf.function
        def add():
            def of_replica():
                values = tf.zeros([num_bytes // 4])
                total = tf.distribute.get_replica_context().all_reduce("SUM", values)
                return total[0]

            return self.strategy.run(of_replica)

        seconds = []
        with peers_watched():
            for _ in range(4):  # the first is compiled
                started = time.monotonic()
                for value in self.strategy.experimental_local_results(add()):
                    value.numpy()
                seconds.append(time.monotonic() - started)
        return min(seconds[1:])

    def finish(self) -> None:
        """Wait for the other workers, so that none takes another's end for a fault."""
        self.exchange(None)

    def describe(self) -> str:
        """Say on what is trained, for people; "" for one device."""
        if self.num_replicas == 1:
            return ""
        workers = f" on {self.num_workers} workers" if self.num_workers > 1 else ""
        return f"{self.num_replicas} devices{workers}"

    def _check_all_right(self, errors):
        wrong = [
            f"worker {number}: {error}" for number, error in enumerate(errors) if error
        ]
        if wrong:
            raise ValueError(f"The training has not begun, because of {wrong[0]}")


@contextmanager
def peers_watched() -> Iterator[None]:
    """Turn TensorFlow's errors about a worker that is gone into `PeerLost`."""
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
        gone = sorted(set(_TASK.findall(message)), key=int)
        if not gone and "ollective" not in message and "arrier" not in message:
            raise
        who = f"Worker {', '.join(gone)}" if gone else "Another worker"
        raise PeerLost(
            f"{who} is gone: this worker ends. Start all of them again, with "
            "`auto_resume`"
        ) from error


def join(cluster: Cluster | None, devices: int | None = None) -> Distribution:
    """Take the devices of this machine, and find the other workers.

    Must come before TensorFlow computes anything.

    Args:
        cluster: the workers; None for this process alone.
        devices: number of this machine's devices; None for all GPUs.

    Raises:
        ValueError: if there are not as many devices, the backend can't, or this
            worker's port is taken.
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
    names = _take_devices(devices)
    if cluster is not None:
        return Distribution(_join_workers(cluster), cluster, names)
    if len(names) > 1:
        return Distribution(tf.distribute.MirroredStrategy(names), None, names)
    return Distribution()


def _take_devices(devices):
    """Names of the GPUs that are used; of the CPUs where there are none."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    kind = "GPU" if gpus else "CPU"
    count = len(gpus) or _num_logical_cpus()
    if devices is not None and devices > count:
        raise ValueError(
            f"`devices` must be at most {count}, the {kind}s of this machine. "
            f"Received: devices={devices}"
        )
    if gpus and devices is not None:
        tf.config.set_visible_devices(gpus[:devices], "GPU")
    return tuple(f"{kind}:{index}" for index in range(devices or count))


def _num_logical_cpus():
    """One, unless a test has split it."""
    import tensorflow as tf

    (cpu,) = tf.config.list_physical_devices("CPU")
    return len(tf.config.get_logical_device_configuration(cpu) or [None])


def _join_workers(cluster):
    """The strategy of all workers, when all have answered."""
    import tensorflow as tf

    _wait_for_peers(cluster)
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(cluster.addresses)}),
        task_type="worker",
        task_id=cluster.index,
        num_accelerators={"GPU": len(tf.config.get_visible_devices("GPU"))},
        rpc_layer="grpc",
    )
    with _killed_after(START_TIMEOUT), peers_watched():
        return tf.distribute.MultiWorkerMirroredStrategy(resolver)


def _wait_for_peers(cluster):
    """Wait until something listens at all addresses; TensorFlow would wait for ever.

    A worker that has seen all others goes on: TensorFlow then listens at its address.
    """
    silent = {i: a for i, a in enumerate(cluster.addresses) if i != cluster.index}
    with _listening(cluster):
        deadline = time.monotonic() + START_TIMEOUT
        is_told = False
        while True:
            silent = {i: a for i, a in silent.items() if not _answers(a)}
            if not silent:
                return
            names = summarize([f"worker {i} at {a}" for i, a in silent.items()])
            if time.monotonic() > deadline:
                raise PeerLost(
                    f"No answer for {START_TIMEOUT} s from {names}: are all workers "
                    "started, and their ports open?"
                )
            if not is_told:
                logger.info("Waiting for %s", names)
                is_told = True
            time.sleep(0.5)


def _listening(cluster):
    """Listen at this worker's address, of which another process must know nothing."""
    port = int(cluster.addresses[cluster.index].rpartition(":")[2])
    try:
        return socket.create_server(("", port), backlog=4096)
    except OSError as error:
        raise ValueError(
            f"Port {port} of worker {cluster.index} must be free ({error.strerror}): "
            "is another process this worker already?"
        ) from error


def _answers(address):
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=5):
            return True
    except OSError:
        return False


# TensorFlow waits for a worker that has answered and died in C++, where neither a
# thread nor a signal of Python is heard; so another process looks at the clock.
_CLOCK = """
import os, select, signal, sys
parent, seconds = int(sys.argv[1]), float(sys.argv[2])
if not select.select([sys.stdin], [], [], seconds)[0]:
    print(f"error: the workers did not come together within {seconds:.0f} s",
          file=sys.stderr)
    os.kill(parent, signal.SIGKILL)
"""


@contextmanager
def _killed_after(seconds):
    """End this process, with status 137, where a block takes longer."""
    command = [sys.executable, "-I", "-S", "-c", _CLOCK, str(os.getpid()), str(seconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as clock:
        try:
            yield
        finally:
            clock.stdin.close()  # which it reads as an end
