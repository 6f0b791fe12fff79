"""A cluster of Ray: found within a bounded time, and what a worker may take of it."""

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
_SECONDS_TO_ANSWER = 15
_QUIET = {"logging_level": logging.ERROR, "log_to_driver": False}
# Ray sends its token to an address that is given only when it is told to.
_TOKEN_HINT = (
    ". Where the cluster asks for a token, set RAY_AUTH_MODE=token, and have its "
    "~/.ray/auth_token here"
)
_OBJECT_STORE = 100 * 2**20  # bytes; what goes through it are rows
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",  # it would report to its makers
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # or it warns of its next default
}


class MissingRay(ValueError):
    """Ray is not installed."""


@dataclass(frozen=True)
class Share:
    """What a worker takes of its machine.

    Attributes:
        cpus: cores; a fraction where there are more workers than cores.
        gpus: 1, a fraction of one that workers share, or 0.
    """

    cpus: float
    gpus: float


def check_installed() -> None:
    """Say what to install where Ray, or what it reads files with, is missing.

    Raises:
        MissingRay: if it is.
    """
    missing = [n for n in ("ray", "pyarrow", "fsspec", "grpc") if not find_spec(n)]
    if missing:
        raise MissingRay(
            f"`ray` needs {missing[0]}, which is not installed: "
            'pip install "keras-fcn[ray]"'
        )


def check_address(address: str) -> None:
    """Refuse what is no address of a cluster.

    Args:
        address: as for `connected`.

    Raises:
        ValueError: if it is none.
    """
    if address not in (LOCAL, AUTO) and not _ADDRESS.match(address):
        raise ValueError(
            f"`ray` must be {LOCAL}, {AUTO}, HOST:PORT or ray://HOST:PORT. "
            f"Received: {address}; what is to be predicted stands before `ray`"
        )


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Connect to a cluster, or start one on this machine, for a block.

    Args:
        address: "local" for a new cluster of this machine alone; HOST:PORT or
            ray://HOST:PORT; "auto" for the one that RAY_ADDRESS names, else one that
            runs on this machine, else a new one.

    Raises:
        ConnectionError: if the address answers nothing, or a Ray of another version.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import ray

    try:
        with ExitStack() as stack:
            if address == AUTO:
                address = os.environ.get("RAY_ADDRESS") or AUTO
            if address == AUTO and not _joins(AUTO):
                address = LOCAL
            if address == LOCAL:
                _start_here(stack.enter_context(_session_folder()))
            elif address != AUTO:
                _check_answers(address)
                _join(address)
            yield
            ray.shutdown()  # before its folder goes
    finally:
        ray.shutdown()


def share_of(num_workers: int | None, gpus: float | None) -> tuple[int, Share]:
    """Return how many workers there are, and what each takes of the cluster.

    Args:
        num_workers: None for one a GPU, or one a machine without GPUs.
        gpus: of a worker, 0 to 1; None for one each as far as there are as many, else
            the part of one at which all have some.

    Raises:
        ValueError: if there are no GPUs for it.
    """
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    num_gpus = sum(node.get("GPU", 0) for node in nodes)
    if gpus and not num_gpus:
        raise ValueError(f"`gpus_per_worker` {gpus:g}: the cluster has no GPU")
    cores = [node.get("CPU", 0) for node in nodes]  # 0 of a head that does not work
    if num_workers is None:
        num_workers = int(num_gpus) or sum(map(bool, cores)) or 1
    if gpus is None:
        gpus = min(1.0, _rounded_down(num_gpus / num_workers))
    return num_workers, Share(cores_of_worker(cores, num_workers), gpus)


def cores_of_worker(cores: Sequence[float], num_workers: int) -> float:
    """Return how many cores each of several equal workers can have.

    Args:
        cores: of each machine.
        num_workers: from 1 on.

    Returns:
        The largest whole number at which all fit; below 1 core a fraction.
    """
    for number in range(int(max(cores, default=0)), 0, -1):
        if sum(count // number for count in cores) >= num_workers:
            return number
    return _rounded_down(sum(cores) / num_workers)


def _rounded_down(number):
    return int(number * 100) / 100


def _start_here(folder):
    import ray

    ray.init(
        LOCAL,
        include_dashboard=False,
        object_store_memory=_OBJECT_STORE,
        _temp_dir=str(folder),
        **_QUIET,
    )


def _join(address):
    import ray

    try:
        ray.init(address, **_QUIET)
    except (ConnectionError, RuntimeError, ValueError, ImportError) as error:
        hint = "" if "RAY_AUTH_MODE" in os.environ else _TOKEN_HINT
        raise ConnectionError(
            f"`ray` {address} can't be used: {one_line(error)}{hint}"
        ) from error


def _joins(address):
    """Join a cluster that runs on this machine; False where there is none."""
    try:
        _join(address)
    except ConnectionError as error:
        if "Could not find any running Ray" not in str(error):
            raise
        logger.info("No cluster runs here: one of this machine alone is started")
        return False
    return True


@contextmanager
def _session_folder():
    """A folder for Ray's sockets and logs, which goes when its process has died."""
    parent = Path(tempfile.gettempdir())
    # A socket's path has at most 107 bytes, of which Ray takes 64.
    if len(str(parent)) > 12:
        parent = Path("/tmp")
    remove_abandoned(parent, TEMPORARY)
    with work_folder(parent, TEMPORARY) as folder:
        yield folder


def _check_answers(address):
    """Refuse an address where no gRPC server answers: Ray itself tries for minutes."""
    import grpc

    place = address.removeprefix("ray://")
    if os.environ.get("RAY_USE_TLS", "0") not in ("", "0"):
        return  # it answers those with the right certificates alone
    host, _, port = place.rpartition(":")
    needed = "needed the address of a cluster's head, or local for this machine"
    try:
        with socket.create_connection((host.strip("[]"), port), _SECONDS_TO_ANSWER):
            pass
    except OSError as error:
        raise ConnectionError(
            f"`ray` {address} does not answer ({error.strerror or one_line(error)}): "
            f"{needed}"
        ) from error
    with grpc.insecure_channel(place) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=_SECONDS_TO_ANSWER)
        except grpc.FutureTimeoutError as error:
            raise ConnectionError(
                f"`ray` {address} does not answer as a cluster within "
                f"{_SECONDS_TO_ANSWER} s: {needed}"
            ) from error
