"""A pool of workers on a cluster, which replaces workers that die.

A worker may have died because of an image. The images that a dead worker had are
therefore predicted one at a time, by workers that have no other image. An image that
kills its worker twice in this way is reported as an error.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

import ray
from ray.exceptions import RayError, RayTaskError

from keras_fcn.errors import one_line
from keras_fcn.ray_prediction.messages import Image, Ready, Row

logger = logging.getLogger(__name__)

_LARGEST_CHUNK = 32  # images that are sent to a worker at a time
_CHUNKS_AHEAD = 2  # a worker predicts one while it reads the next
_TRIES = 2  # of an image in a chunk of its own
_FAILED_STARTS = 3  # consecutive ones per worker, after which the prediction ends
_SECONDS_TO_START = 600
_SECONDS_TO_LOG = 30
_SECONDS_TO_STOP = 5


@dataclass(eq=False)
class _Member:
    """A worker, with the chunks that it has not returned yet."""

    actor: ray.actor.ActorHandle
    is_ready: bool = False
    chunks: list[Sequence[Image]] = field(default_factory=list)
    has_suspect: bool = False  # an image that may kill it


class Pool:
    """Workers that predict images, and are replaced when they die."""

    def __init__(
        self,
        make_actor: Callable[[], ray.actor.ActorHandle],
        num_workers: int,
    ):
        """Start the workers.

        Args:
            make_actor: starts a `Worker` as an actor that Ray does not restart.
            num_workers: number of workers.
        """
        self._make_actor, self._num_workers = make_actor, num_workers
        self._first: Ready | None = None
        self._pending: dict[ray.ObjectRef, tuple[_Member, Sequence[Image]]] = {}
        self._members: list[_Member] = []
        self._suspects: deque[Image] = deque()
        self._tries: dict[Image, int] = {}
        self._num_bad_starts = self._num_left = 0
        self._idle_since: float | None = None  # time since which no worker is ready
        for _ in range(num_workers):
            self._add_member()

    def first_ready(self) -> Ready:
        """Wait until a worker is ready, and return its description.

        Raises:
            TimeoutError: if no worker could be started.
            OSError, ValueError: errors of the worker.
        """
        while self._first is None:
            for _ in self._step():
                pass
        return self._first

    def predict(self, images: Mapping[str, str]) -> Iterator[list[Row]]:
        """Predict images.

        Args:
            images: as `Sources.by_stem`.

        Yields:
            Rows of some images when they are predicted; an empty list after a second
            without results.

        Raises:
            TimeoutError: if all workers are lost, and none could be started.
            OSError, ValueError: errors of a worker.
        """
        waiting = (Image(source, stem) for stem, source in images.items())
        self._num_left = len(images)
        while (
            self._num_left
            or self._suspects
            or any(member.chunks for member in self._members)
        ):
            for member in self._members:
                self._send_chunks(member, waiting)
            yield from self._step()

    def close(self) -> None:
        """End all workers, without waiting for those that predict."""
        idle = [member for member in self._members if not member.chunks]
        stopped: list[ray.ObjectRef] = [
            member.actor.stop.remote() for member in idle if member.is_ready
        ]
        with suppress(Exception):
            ray.wait(stopped, num_returns=len(stopped), timeout=_SECONDS_TO_STOP)
        for member in self._members:
            with suppress(Exception):
                ray.kill(member.actor)

    def _send_chunks(self, member, waiting):
        """Send a worker as many chunks as it should have."""
        while member.is_ready and not member.has_suspect:
            if self._suspects:
                if member.chunks:
                    return
                member.has_suspect = True
                chunk = [self._suspects.popleft()]
            elif self._num_left and len(member.chunks) < _CHUNKS_AHEAD:
                # Smaller chunks at the end, so that all workers end together.
                size = self._num_left // (2 * _CHUNKS_AHEAD * self._num_workers)
                size = max(1, min(size, _LARGEST_CHUNK))
                chunk = list(islice(waiting, size))
                self._num_left -= len(chunk)
            else:
                return
            member.chunks.append(chunk)
            self._pending[member.actor.predict.remote(chunk)] = member, chunk

    def _step(self):
        """Wait up to a second for results, and yield their rows."""
        self._check_starts()
        ready, _ = ray.wait(list(self._pending), timeout=1)
        if not ready:
            yield []
        for ref in ready:
            yield from self._receive(ref)

    def _check_starts(self):
        """Log a long time without a ready worker; raise when it is too long."""
        if any(member.is_ready for member in self._members):
            self._idle_since = None
            return
        if self._idle_since is None:
            self._idle_since, self._is_logged = time.monotonic(), False
        seconds = time.monotonic() - self._idle_since
        if seconds > _SECONDS_TO_START:
            raise TimeoutError(
                f"No worker has started within {_SECONDS_TO_START} s: "
                f"{_free_resources()}"
            )
        if seconds > _SECONDS_TO_LOG and not self._is_logged:
            logger.info("No worker has started yet: %s", _free_resources())
            self._is_logged = True

    def _receive(self, ref):
        """Yield the rows of a result, or replace a worker that has died."""
        member, chunk = self._pending.pop(ref)
        try:
            result = ray.get(ref)
        except RayTaskError as error:
            raise error.cause or error from None
        except RayError as error:
            yield from self._replace(member, error)
            return
        if not member.is_ready:
            member.is_ready, self._num_bad_starts = True, 0
            self._first = self._first or result
            _check_equal(self._first, result)
            return
        member.chunks.remove(chunk)
        member.has_suspect = False
        yield result

    def _replace(self, member, error):
        """Replace a dead worker; yield the row of an image that has killed it twice."""
        logger.debug("%s", error)
        self._members.remove(member)
        self._pending = {
            ref: entry for ref, entry in self._pending.items() if entry[0] is not member
        }
        with suppress(Exception):
            ray.kill(member.actor)
        self._add_member()
        if not member.is_ready:
            if getattr(error, "actor_init_failed", False):  # such as a missing module
                raise ChildProcessError(f"A worker cannot start: {_last_line(error)}")
            self._num_bad_starts += 1
            if self._num_bad_starts >= _FAILED_STARTS * self._num_workers:
                raise ChildProcessError(
                    "The workers die while they load the network, usually for lack of "
                    f"memory: use fewer `workers` ({_last_line(error)})"
                )
            return
        images = [image for chunk in member.chunks for image in chunk]
        logger.warning(
            "A worker has died; other workers predict its %d images", len(images)
        )
        for image in images:
            if member.has_suspect:
                self._tries[image] = self._tries.get(image, 0) + 1
            if self._tries.get(image, 0) < _TRIES:
                self._suspects.append(image)
            else:
                problem = (
                    f"{image.source} cannot be predicted: it killed its worker "
                    f"{_TRIES} times, usually for lack of memory"
                )
                yield [Row(image.source, error=problem)]

    def _add_member(self):
        member = _Member(self._make_actor())
        self._members.append(member)
        self._pending[member.actor.start.remote()] = member, ()


def _check_equal(first, other):
    for attribute, name in (("version", "keras-fcn"), ("fingerprint", "network")):
        one, another = getattr(first, attribute), getattr(other, attribute)
        if one != another:
            raise ValueError(
                f"All workers must have the same {name}: {first.host} has "
                f"{one[:12]}, {other.host} has {another[:12]}"
            )


def _free_resources():
    """Free cores and GPUs of the cluster, on one line."""
    free, whole = ray.available_resources(), ray.cluster_resources()
    return ", ".join(
        f"{free.get(name, 0):g} of {whole[name]:g} {name}s are free"
        for name in ("CPU", "GPU")
        if name in whole
    )


def _last_line(error):
    return one_line(ValueError(str(error).strip().rpartition("\n")[2]))
