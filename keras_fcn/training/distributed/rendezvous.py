"""How the workers of a training find each other when it starts.

TensorFlow waits for missing workers in C++, where neither a thread nor a signal of
Python can interrupt it. So the workers first connect to each other with sockets, and
another process limits the time of what follows.
"""

import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from keras_fcn.errors import PeerLost, summarize
from keras_fcn.training.distributed.cluster import Cluster
from keras_fcn.training.distributed.communication import detect_lost_peers

logger = logging.getLogger(__name__)

START_TIMEOUT = 300  # seconds; a scheduler may start the workers minutes apart
_CLOCK = """
import os, select, signal, sys
parent, seconds = int(sys.argv[1]), float(sys.argv[2])
if not select.select([sys.stdin], [], [], seconds)[0]:
    print(f"error: the workers did not connect within {seconds:.0f} s",
          file=sys.stderr)
    os.kill(parent, signal.SIGKILL)
"""


def connect_workers(cluster: Cluster):
    """Wait for all workers and return their `MultiWorkerMirroredStrategy`.

    Args:
        cluster: the workers.

    Raises:
        PeerLost: if a worker does not answer within `START_TIMEOUT`.
        ValueError: if this worker's port is in use.
    """
    import tensorflow as tf

    wait_for_peers(cluster)
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(cluster.addresses)}),
        task_type="worker",
        task_id=cluster.index,
        num_accelerators={"GPU": len(tf.config.get_visible_devices("GPU"))},
        rpc_layer="grpc",
    )
    with killed_after(START_TIMEOUT), detect_lost_peers():
        return tf.distribute.MultiWorkerMirroredStrategy(resolver)


def wait_for_peers(cluster: Cluster) -> None:
    """Wait until a process listens at the address of every worker.

    A worker that has connected to all others returns at once; TensorFlow then listens
    at its address.

    Args:
        cluster: the workers.

    Raises:
        PeerLost: if a worker does not answer within `START_TIMEOUT`.
        ValueError: if this worker's port is in use.
    """
    silent = {i: a for i, a in enumerate(cluster.addresses) if i != cluster.index}
    with _listen(cluster):
        deadline = time.monotonic() + START_TIMEOUT
        is_logged = False
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
            if not is_logged:
                logger.info("Waiting for %s", names)
                is_logged = True
            time.sleep(0.5)


def _listen(cluster: Cluster) -> socket.socket:
    """Listen at this worker's address; fails if a second process is the same worker."""
    port = int(cluster.addresses[cluster.index].rpartition(":")[2])
    try:
        return socket.create_server(("", port), backlog=4096)
    except OSError as error:
        raise ValueError(
            f"Port {port} of worker {cluster.index} must be free ({error.strerror}): "
            "is another process this worker already?"
        ) from error


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=5):
            return True
    except OSError:
        return False


@contextmanager
def killed_after(seconds: float) -> Iterator[None]:
    """End this process with SIGKILL (status 137) if a block takes longer.

    Args:
        seconds: the limit.
    """
    command = [sys.executable, "-I", "-S", "-c", _CLOCK, str(os.getpid()), str(seconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as clock:
        try:
            yield
        finally:
            clock.communicate()  # the end of its input stops the clock
