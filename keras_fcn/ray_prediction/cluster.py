"""Connection to a Ray cluster, and the resources of a worker."""

import logging
import os
import re
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from keras_fcn.errors import one_line
from keras_fcn.storage.atomic import TEMPORARY, remove_abandoned, work_folder

logger = logging.getLogger(__name__)

LOCAL, AUTO = "local", "auto"
_ADDRESS = re.compile(r"(ray://)?[\w.\-\[\]:]+:\d+$")
_CONNECT_TIMEOUT = 15  # seconds
# Ray sends its token to an explicit address only if this variable is set.
_TOKEN_HINT = (
    ". If the cluster requires a token, set RAY_AUTH_MODE=token, and copy its "
    "~/.ray/auth_token to this machine"
)
_OBJECT_STORE = 100 * 2**20  # bytes; it contains rows of the manifest only
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",  # no telemetry
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # unset, Ray warns of a new default
}


class MissingRay(ValueError):
    """Ray is not installed."""


@dataclass(frozen=True)
class Share:
    """Resources of a worker.

    Attributes:
        cpus: cores; a fraction if there are more workers than cores.
        gpus: 1, a fraction of a GPU that several workers share, or 0.
    """

    cpus: float
    gpus: float


def check_installed() -> None:
    """Check that Ray, and the packages that read files, are installed.

    Raises:
        MissingRay: if one of them is missing.
    """
    missing = [n for n in ("ray", "pyarrow", "fsspec", "grpc") if not find_spec(n)]
    if missing:
        raise MissingRay(
            f"`ray` requires {missing[0]}, which is not installed: "
            'pip install "keras-fcn[ray]"'
        )


def check_address(address: str) -> None:
    """Check the form of the address of a cluster.

    Args:
        address: as in `connected`.

    Raises:
        ValueError: if it has another form.
    """
    if address not in (LOCAL, AUTO) and not _ADDRESS.match(address):
        raise ValueError(
            f"`ray` must be {LOCAL}, {AUTO}, HOST:PORT or ray://HOST:PORT. "
            f"Received: {address}; the inputs must precede `ray`"
        )


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Connect to a cluster, or start one on this machine, and disconnect at the end.

    Args:
        address: "local" for a new cluster of this machine only; HOST:PORT or
            ray://HOST:PORT; "auto" for the cluster that RAY_ADDRESS names, else one
            that runs on this machine, else a new one.

    Raises:
        ConnectionError: if nothing answers at the address, or a Ray of another
            version.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import ray

    try:
        with ExitStack() as stack:
            if address == AUTO:
                address = os.environ.get("RAY_ADDRESS") or AUTO
            if address == AUTO:
                try:
                    _join(AUTO)
                except ConnectionError as error:
                    if "Could not find any running Ray" not in str(error):
                        raise
                    logger.info("No running cluster found: starting one locally")
                    address = LOCAL
            elif address != LOCAL:
                _check_server(address)
                _join(address)
            if address == LOCAL:
                ray.init(
                    LOCAL,
                    include_dashboard=False,
                    object_store_memory=_OBJECT_STORE,
                    logging_level=logging.ERROR,
                    log_to_driver=False,
                    _temp_dir=str(stack.enter_context(_session_folder())),
                )
            yield
            ray.shutdown()  # before the session folder is deleted
    finally:
        ray.shutdown()


def share_of(num_workers: int | None, gpus: float | None) -> tuple[int, Share]:
    """Return the number of workers and the resources of each.

    Args:
        num_workers: None for one per GPU, or one per machine if there are no GPUs.
        gpus: GPUs per worker, 0 to 1; None for 1, or an equal fraction if there are
            fewer GPUs than workers.

    Raises:
        ValueError: if `gpus` is positive and the cluster has no GPU.
    """
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    num_gpus = sum(node.get("GPU", 0) for node in nodes)
    if gpus and not num_gpus:
        raise ValueError(f"`gpus_per_worker` {gpus:g}: the cluster has no GPU")
    cores = [node.get("CPU", 0) for node in nodes]  # 0 of a head without workers
    if num_workers is None:
        num_workers = int(num_gpus) or sum(map(bool, cores)) or 1
    if gpus is None:
        gpus = min(1.0, _round_down(num_gpus / num_workers))
    return num_workers, Share(cores_of_worker(cores, num_workers), gpus)


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


def _round_down(number):
    return int(number * 100) / 100  # as precise as Ray's resources need to be


def _join(address):
    import ray

    try:
        ray.init(address, logging_level=logging.ERROR, log_to_driver=False)
    except (ConnectionError, RuntimeError, ValueError, ImportError) as error:
        hint = "" if "RAY_AUTH_MODE" in os.environ else _TOKEN_HINT
        raise ConnectionError(
            f"`ray` {address}: no connection ({one_line(error)}){hint}"
        ) from error


@contextmanager
def _session_folder():
    """A temporary folder for Ray's sockets and logs.

    One that a killed process left is deleted by the next process.
    """
    parent = Path(tempfile.gettempdir())
    # The path of a Unix socket has at most 107 bytes, of which Ray takes 64.
    if len(str(parent)) > 12:
        parent = Path("/tmp")
    remove_abandoned(parent, TEMPORARY)
    with work_folder(parent, TEMPORARY) as folder:
        yield folder


def _check_server(address):
    """Check that a gRPC server answers; Ray itself retries for minutes."""
    import grpc

    place = address.removeprefix("ray://")
    if os.environ.get("RAY_USE_TLS", "0") not in ("", "0"):
        return  # requires the certificates, which only Ray reads
    host, _, port = place.rpartition(":")
    expected = "expected the address of a cluster's head, or local for this machine"
    try:
        with socket.create_connection((host.strip("[]"), port), _CONNECT_TIMEOUT):
            pass
    except OSError as error:
        raise ConnectionError(
            f"`ray` {address} does not answer ({error.strerror or one_line(error)}): "
            f"{expected}"
        ) from error
    with grpc.insecure_channel(place) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=_CONNECT_TIMEOUT)
        except grpc.FutureTimeoutError as error:
            raise ConnectionError(
                f"`ray` {address} does not answer as a cluster within "
                f"{_CONNECT_TIMEOUT} s: {expected}"
            ) from error
