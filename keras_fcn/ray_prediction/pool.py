"""Workers on a cluster, of which any may die: their images go to others.

What dies may have died of an image. So the images that a dead worker had are predicted
one at a time, by workers that have nothing else; one that ends its worker then, twice,
is given up.
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
_CHUNKS_AHEAD = 2  # a worker predicts one, and reads the next
_TRIES = 2  # of an image alone
_STARTS = 3  # that end in a death, one after the other, for each worker
_SECONDS_TO_START = 600
_SECONDS_TO_TELL = 30
_SECONDS_TO_STOP = 5


@dataclass(eq=False)
class _Member:
    """A worker: what it was sent and has not answered yet."""

    actor: ray.actor.ActorHandle
    is_ready: bool = False
    chunks: list[Sequence[Image]] = field(default_factory=list)
    has_suspect: bool = False  # an image that may end it


class Pool:
    """Workers that predict, and are replaced when they die."""

    def __init__(
        self,
        make_actor: Callable[[], ray.actor.ActorHandle],
        num_workers: int,
    ):
        """Start the workers.

        Args:
            make_actor: starts a `Worker` as an actor that is not restarted.
            num_workers: how many.
        """
        self._make_actor, self._num_workers = make_actor, num_workers
        self._first: Ready | None = None
        self._pending: dict[ray.ObjectRef, tuple[_Member, Sequence[Image]]] = {}
        self._members: list[_Member] = []
        self._suspects: deque[Image] = deque()
        self._tries: dict[Image, int] = {}
        self._num_bad_starts = self._num_left = 0
        self._alone_since: float | None = None  # since when there is no worker
        for _ in range(num_workers):
            self._add_member()

    def first_ready(self) -> Ready:
        """Wait until a worker is ready, and return what it says.

        Raises:
            TimeoutError: if none could be started.
            OSError, ValueError: what it raised.
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
            Rows of some images, as they come; now and then none.

        Raises:
            TimeoutError: if all workers are lost, and none could be started.
            OSError, ValueError: what a worker raised.
        """
        waiting = (Image(source, stem) for stem, source in images.items())
        self._num_left = len(images)
        while self._num_left or self._suspects or self._has_work():
            for member in self._members:
                self._hand_out(member, waiting)
            yield from self._step()

    def close(self) -> None:
        """End all workers; those that are at work are not waited for."""
        idle = [member for member in self._members if not member.chunks]
        stopped = [m.actor.stop.remote() for m in idle if m.is_ready]
        with suppress(Exception):
            ray.wait(stopped, num_returns=len(stopped), timeout=_SECONDS_TO_STOP)
        for member in self._members:
            with suppress(Exception):
                ray.kill(member.actor)

    def _has_work(self):
        return any(member.chunks for member in self._members)

    def _hand_out(self, member, waiting):
        """Send a worker as much as it should have."""
        while member.is_ready and not member.has_suspect:
            if self._suspects:
                if member.chunks:
                    return
                member.has_suspect = True
                chunk = [self._suspects.popleft()]
            elif self._num_left and len(member.chunks) < _CHUNKS_AHEAD:
                # Smaller ones at the end, so that all workers end together.
                size = self._num_left // (2 * _CHUNKS_AHEAD * self._num_workers)
                size = max(1, min(size, _LARGEST_CHUNK))
                chunk = list(islice(waiting, size))
                self._num_left -= len(chunk)
            else:
                return
            member.chunks.append(chunk)
            self._pending[member.actor.predict.remote(chunk)] = member, chunk

    def _step(self):
        """Wait for an answer, for a moment; its rows."""
        self._check_starts()
        ready, _ = ray.wait(list(self._pending), timeout=1)
        if not ready:
            yield []
        for ref in ready:
            yield from self._take(ref)

    def _check_starts(self):
        """Tell of a time without any worker, and end it when it is too long."""
        if any(member.is_ready for member in self._members):
            self._alone_since = None
            return
        if self._alone_since is None:
            self._alone_since, self._is_told = time.monotonic(), False
        seconds = time.monotonic() - self._alone_since
        if seconds > _SECONDS_TO_START:
            raise TimeoutError(
                f"No worker has started within {_SECONDS_TO_START} s: {_free()}"
            )
        if seconds > _SECONDS_TO_TELL and not self._is_told:
            logger.info("No worker has started yet: %s", _free())
            self._is_told = True

    def _take(self, ref):
        """The rows of an answer; a dead worker's images are kept for others."""
        member, chunk = self._pending.pop(ref)
        try:
            answer = ray.get(ref)
        except RayTaskError as error:
            raise error.cause or error from None
        except RayError as error:
            yield from self._bury(member, error)
            return
        if not member.is_ready:
            member.is_ready, self._num_bad_starts = True, 0
            self._first = self._first or answer
            _check_same(self._first, answer)
            return
        member.chunks.remove(chunk)
        member.has_suspect = False
        yield answer

    def _bury(self, member, error):
        """Replace a worker that has died; rows of the image that is given up."""
        logger.debug("%s", error)
        self._members.remove(member)
        self._pending = {
            ref: entry for ref, entry in self._pending.items() if entry[0] is not member
        }
        with suppress(Exception):
            ray.kill(member.actor)
        self._add_member()
        if not member.is_ready:
            if getattr(error, "actor_init_failed", False):  # its Python lacks modules
                raise ChildProcessError(f"A worker can't begin: {_last_line(error)}")
            self._num_bad_starts += 1
            if self._num_bad_starts >= _STARTS * self._num_workers:
                raise ChildProcessError(
                    "The workers die while they load the network, of memory as a rule: "
                    f"take fewer `workers` ({_last_line(error)})"
                )
            return
        images = [image for chunk in member.chunks for image in chunk]
        logger.warning("A worker has died; its images (%d) go to others", len(images))
        for image in images:
            if member.has_suspect:
                self._tries[image] = self._tries.get(image, 0) + 1
            if self._tries.get(image, 0) < _TRIES:
                self._suspects.append(image)
            else:
                problem = (
                    f"{image.source} can't be predicted: it ended its worker "
                    f"{_TRIES} times, of memory as a rule"
                )
                yield [Row(image.source, error=problem)]

    def _add_member(self):
        member = _Member(self._make_actor())
        self._members.append(member)
        self._pending[member.actor.start.remote()] = member, ()


def _check_same(first, other):
    for what in ("version", "fingerprint"):
        one, another = getattr(first, what), getattr(other, what)
        if one != another:
            name = {"version": "keras-fcn", "fingerprint": "a network"}[what]
            raise ValueError(
                f"All workers must have the same. The one on {first.host} has {name} "
                f"{one[:12]}, the one on {other.host} {another[:12]}"
            )


def _free():
    """What of the cluster is free, on one line."""
    free, whole = ray.available_resources(), ray.cluster_resources()
    return ", ".join(
        f"{free.get(name, 0):g} of {whole[name]:g} {name}s are free"
        for name in ("CPU", "GPU")
        if name in whole
    )


def _last_line(error):
    return one_line(ValueError(str(error).strip().rpartition("\n")[2]))
