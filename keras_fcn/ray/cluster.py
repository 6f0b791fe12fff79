"""Connection to a Ray cluster, and the resources of a worker."""

import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import grpc
import ray

from keras_fcn.errors import one_line

logger = logging.getLogger(__name__)

_LOCAL, _AUTO = "local", "auto"
_ADDRESS = re.compile(r"(ray://)?[\w.\-\[\]:]+:\d+$")
_CONNECT_TIMEOUT = 15  # seconds
_OBJECT_STORE = 256 * 2**20  # bytes; it contains paths and rows of the manifest only
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",  # no telemetry
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # unset, Ray warns of a new default
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # Ray Data's actors cause warnings
}


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Connect to a cluster, or start one on this machine, and disconnect at the end.

    A connection that exists already is used, and stays.

    Args:
        address: "local" for a new cluster of this machine only; HOST:PORT or
            ray://HOST:PORT; "auto" for the cluster that RAY_ADDRESS names, else one
            that runs on this machine, else a new one.

    Raises:
        ValueError: if the address has another form.
        ConnectionError: if nothing answers at the address, or a Ray of another
            version.
    """
    if ray.is_initialized():
        yield
        return
    if address == _AUTO:
        address = os.environ.get("RAY_ADDRESS") or _AUTO
    if address not in (_LOCAL, _AUTO):
        _check_server(address)
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        try:
            _join(address)
        except ConnectionError as error:
            if address != _AUTO or "Could not find any running Ray" not in str(error):
                raise
            logger.info("No running cluster found: starting one locally")
            _join(_LOCAL)
        yield
    finally:
        ray.shutdown()


@dataclass(frozen=True)
class Pool:
    """Number of workers, and resources of each.

    Attributes:
        smallest: number of workers that share the present machines.
        largest: number of workers if the cluster grows.
        cores: cores per worker; a fraction if there are more workers than cores.
        gpus: 1, a fraction of a GPU that several workers share, or 0.
    """

    smallest: int
    largest: int
    cores: float
    gpus: float

    def __str__(self) -> str:
        number = " to ".join(map(str, sorted({self.smallest, self.largest})))
        return f"{number}, with {self.cores:g} cores and {self.gpus:g} GPUs each"


def worker_resources(workers: int | tuple[int, int] | None, gpus: float | None) -> Pool:
    """Return the number of workers and the resources of each.

    Args:
        workers: number of workers; the smallest and largest number; or None for one per
            GPU, or one per machine if there are no GPUs.
        gpus: GPUs per worker, 0 to 1; None for 1, or an equal fraction if there are
            fewer GPUs than workers.

    Raises:
        ValueError: if `gpus` is positive and the cluster has no GPU.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    num_gpus = sum(node.get("GPU", 0) for node in nodes)
    if gpus and not num_gpus:
        raise ValueError(f"`gpus_per_worker` {gpus:g}: the cluster has no GPU")
    cores = [node.get("CPU", 0) for node in nodes]  # 0 of a head without workers
    if workers is None:
        workers = int(num_gpus) or sum(map(bool, cores)) or 1
    smallest, largest = (workers, workers) if isinstance(workers, int) else workers
    if gpus is None:
        gpus = min(1.0, _round_down(num_gpus / smallest))
    # Machines may be started for the workers if there are none.
    return Pool(smallest, largest, cores_of_worker(cores, smallest) or 1, gpus)


def cores_of_worker(cores: Sequence[float], num_workers: int) -> float:
    """Return the number of cores per worker with which all workers fit.

    Args:
        cores: number of cores of each machine.
        num_workers: a positive integer.

    Returns:
        The largest possible integer; a fraction if there are more workers than cores.
    """
    for number in range(int(max(cores, default=0)), 0, -1):
        if sum(count // number for count in cores) >= num_workers:
            return number
    return _round_down(sum(cores) / num_workers)


def free_resources() -> str:
    """Return the free cores and GPUs of the cluster, on one line."""
    free, whole = ray.available_resources(), ray.cluster_resources()
    return ", ".join(
        f"{free.get(name, 0):g} of {whole[name]:g} {name}s are free"
        for name in ("CPU", "GPU")
        if name in whole
    )


def _round_down(number):
    return int(number * 100) / 100  # as precise as Ray's resources need to be


def _join(address):
    is_local = address == _LOCAL
    try:
        ray.init(
            address,
            include_dashboard=False if is_local else None,
            object_store_memory=_OBJECT_STORE if is_local else None,
            logging_level=logging.ERROR,
            log_to_driver=False,
        )
    except (ConnectionError, RuntimeError, ValueError, ImportError) as error:
        raise ConnectionError(
            f"`ray` {address}: no connection ({one_line(error)})"
        ) from error


def _check_server(address):
    """Check that a gRPC server answers; Ray itself retries for minutes."""
    if not _ADDRESS.match(address):
        raise ValueError(
            "`ray` must be local, auto, HOST:PORT or ray://HOST:PORT. "
            f"Received: {address}; the inputs must precede `ray`"
        )
    if os.environ.get("RAY_USE_TLS", "0") not in ("", "0"):
        return  # requires the certificates, which only Ray reads
    with grpc.insecure_channel(address.removeprefix("ray://")) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=_CONNECT_TIMEOUT)
        except grpc.FutureTimeoutError as error:
            raise ConnectionError(
                f"`ray` {address} does not answer as a cluster within "
                f"{_CONNECT_TIMEOUT} s: expected the address of a cluster's head, or "
                "local for this machine"
            ) from error
