"""Reads, predicts and stores the images of several calls as one stream.

While the images of a call are predicted, those of the next call are fetched and read,
so that the network does not wait between two calls.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from queue import Empty

from keras_fcn.images.prefetch import ordered_map, threads
from keras_fcn.prediction.jobs import Job
from keras_fcn.prediction.results import Result, describe_failure
from keras_fcn.ray_prediction.messages import Image, Row
from keras_fcn.ray_prediction.storage import is_url

# Images that are fetched before they are predicted, or wait to be stored: enough to
# hide the latency of a URL.
_AHEAD = 8


@dataclass
class Call:
    """The images of one call of `Worker.predict`, and their rows."""

    images: Sequence[Image]
    rows: list[Row] = field(default_factory=list)
    outcome: Future = field(default_factory=Future)


class Stream:
    """Predicts the images of consecutive calls.

    Args:
        worker: the `Worker`, with network and settings.
        folder: temporary folder.
        calls: queue of further `Call`s; None ends it.
    """

    def __init__(self, worker, folder, calls):
        self._worker, self._settings = worker, worker.settings
        self._folder, self._calls = folder, calls
        # Outputs that are stored by URL are written to `folder` first.
        output_dir = self._settings.output_dir
        self._base = folder / "outputs" if is_url(output_dir) else Path(output_dir)
        self._numbers = count()
        self._started: deque[Call] = deque()
        self._images: dict[Path, tuple[Image, Call]] = {}  # by the file that is read
        self._problems: dict[Path, str] = {}  # of images that could not be fetched

    def run(self, call):
        """Predict the images of a call, and of the calls that are waiting."""
        try:
            last = None
            for result in self._results(call):
                if last not in (None, result.path):
                    self._drop(last)
                last = result.path
                image, its_call = self._images[result.path]
                # Results are in order: the calls before this one are complete.
                while self._started[0] is not its_call:
                    self._finish()
                its_call.rows.append(self._row(image, result))
            self._drop(last)
            while self._started:
                self._finish()
        except BaseException as error:
            for call in self._started:
                call.outcome.set_exception(error)

    def _finish(self):
        call = self._started.popleft()
        call.outcome.set_result(call.rows)

    def _results(self, call):
        from keras_fcn.prediction.batch import predict_images

        settings = self._settings
        with threads(_AHEAD) as executor:
            jobs = ordered_map(executor, self._fetch, self._waiting(call), _AHEAD)
            results = predict_images(
                self._worker.segmenter,
                jobs,
                settings.outputs,
                max_pixels=settings.max_pixels,
            )
            yield from ordered_map(executor, self._store, results, _AHEAD)

    def _waiting(self, call) -> Iterator[tuple[Image, Call]]:
        while True:
            self._started.append(call)
            for image in call.images:
                yield image, call
            try:
                call = self._calls.get_nowait()
            except Empty:
                return
            if call is None:
                self._calls.put(None)
                return

    def _fetch(self, image_and_call):
        """The job of an image, whose file is downloaded if it has a URL."""
        image, _ = image_and_call
        path = Path(image.source)
        if is_url(image.source):
            path = self._folder / f"{next(self._numbers)}{path.suffix}"
            try:
                content = self._worker.storage_of(image.source).read(image.source)
                path.write_bytes(content)
            except Exception as error:  # file systems raise classes of their own
                self._problems[path] = describe_failure(image.source, "read", error)
        self._images[path] = image_and_call
        return Job(path, self._base / image.stem)

    def _store(self, result):
        """Upload the outputs of an image if the output folder has a URL."""
        folder = self._settings.output_dir
        if result.problem or not is_url(folder):
            return result
        image, _ = self._images[result.path]
        outputs, job = self._settings.outputs, Job(result.path, self._base / image.stem)
        storage = self._worker.storage_of(folder)
        try:
            # The label map last: it marks the image as done.
            for path in outputs.paths(job, result.frame).values():
                name = f"{folder}/{path.relative_to(self._base)}"
                storage.write(name, path.read_bytes())
                path.unlink()
        except Exception as error:  # file systems raise classes of their own
            problem = describe_failure(str(result.path), "written", error)
            return replace(result, problem=problem)
        return result

    def _drop(self, path):
        """Delete the entries, and the downloaded file, of an image that is done."""
        if path is None:
            return
        image, _ = self._images.pop(path)
        self._problems.pop(path, None)
        if is_url(image.source):
            with suppress(FileNotFoundError):
                path.unlink()

    def _row(self, image: Image, result: Result) -> Row:
        if result.problem:
            problem = self._problems.get(result.path) or result.problem.replace(
                str(result.path), image.source
            )
            return Row(image.source, result.frame, error=problem)
        if result.size is None or result.counts is None:  # only if it was skipped
            raise ValueError(f"{image.source} has neither a result nor a problem")
        job, (height, width) = Job(result.path, Path(image.stem)), result.size
        shares = result.counts[self._worker.ids] / result.counts.sum()
        return Row(
            path=image.source,
            frame=result.frame,
            output=str(job.labels_path(result.frame)),
            height=height,
            width=width,
            seconds=result.seconds,
            confidence=result.confidence,
            shares=tuple(map(float, shares)),
        )
