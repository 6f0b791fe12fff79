"""A worker of a prediction on a cluster: predicts images and writes their outputs."""

import os
import socket
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path

import pyarrow as pa
import ray

from keras_fcn.images.prefetch import ordered_map, threads
from keras_fcn.prediction.batch import batch_size_of, predict_tasks, read_images
from keras_fcn.prediction.jobs import Job
from keras_fcn.prediction.options import PredictionOptions
from keras_fcn.prediction.outputs import Outputs, write_outputs
from keras_fcn.prediction.results import ImageTask
from keras_fcn.ray.batch_predictor import BatchPredictor
from keras_fcn.ray.manifest import as_utf8, row_schema
from keras_fcn.ray.storage import child, is_url, read, without_options, write
from keras_fcn.runs.bundled import find_network
from keras_fcn.storage.atomic import TEMPORARY, remove_abandoned, work_folder
from keras_fcn.version import __version__

# Images that are fetched before they are predicted, or wait to be stored: enough to
# hide the latency of a URL.
_AHEAD = 8
_MAX_ATTEMPTS = 3  # of an image whose worker ends each time: one with others, two alone
_NETWORK = "the network"  # counted in `Attempts` while it is loaded


@dataclass(frozen=True)
class Settings:
    """Settings of a prediction; the driver sets those that have a default.

    Attributes:
        model: as in `keras_fcn.load`.
        options: how the network is applied to the images.
        outputs: the files to write for each image.
        max_pixels: maximum number of pixels of an image.
        output_dir: absolute path or URL.
        fingerprint: checksum of the network on the driver's machine.
        num_workers: number of workers.
        lock: path and content of a lock file in a shared output folder.
        version: of keras_fcn on the driver's machine.
    """

    model: str
    options: PredictionOptions
    outputs: Outputs
    max_pixels: int
    output_dir: str
    fingerprint: str = ""
    num_workers: int = 1
    lock: tuple[str, str] | None = None
    version: str = __version__


class Attempts:
    """Counts attempts that have begun and not ended, as an actor.

    Ray Data repeats the batch of a worker that died. An image with several attempts
    that did not end has probably killed its workers.
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def counts(self, names: Sequence[str]) -> list[int]:
        """Return the number of attempts that have not ended, by name."""
        return [self._counts[name] for name in names]

    def begin(self, names: Sequence[str]) -> None:
        """Count one more attempt of each name."""
        self._counts.update(names)

    def end(self, names: Sequence[str]) -> None:
        """Forget the attempts of the names."""
        for name in names:
            self._counts.pop(name, None)


def check_machine(settings: Settings) -> None:
    """Check that the machine of a worker has the same files as the driver's.

    Args:
        settings: of the worker.

    Raises:
        ValueError: if keras_fcn or the network is another one.
        FileNotFoundError: if the network or the shared output folder is missing.
    """
    host = socket.gethostname()
    if settings.version != __version__:
        raise ValueError(
            f"All machines must have the same keras-fcn: {host} has {__version__}, the "
            f"driver {settings.version}"
        )
    if settings.lock is not None:
        path, text = settings.lock
        try:
            is_shared = Path(path).read_text() == text
        except OSError:
            is_shared = False
        if not is_shared:
            raise FileNotFoundError(
                f"The worker on {host} does not share `output_dir` "
                f"{settings.output_dir}: it must be on a disk that all machines "
                "share, or a URL"
            )
    try:
        fingerprint = find_network(settings.model, exported=True).fingerprint()
    except FileNotFoundError as error:
        raise FileNotFoundError(f"The network is missing on {host}: {error}") from error
    if fingerprint != settings.fingerprint:
        raise ValueError(
            f"All machines must have the same network: {settings.model} on {host} "
            "differs from the driver's"
        )


class ImageWriter:
    """Predicts images and writes their outputs, as a class for `map_batches`."""

    def __init__(self, settings: Settings, attempts: "ray.actor.ActorHandle"):
        """Load the network.

        Args:
            settings: network, options and outputs.
            attempts: an actor of the class `Attempts`.

        Raises:
            ChildProcessError: if the workers die while they load it.
            ValueError, FileNotFoundError: as in `check_machine`.
        """
        self._settings, self._attempts = settings, attempts
        check_machine(settings)
        if (
            self._attempts_do("counts", [_NETWORK])[0]
            >= _MAX_ATTEMPTS * settings.num_workers
        ):
            raise ChildProcessError(
                "The workers die while they load the network, usually for lack of "
                "memory: use fewer `workers`"
            )
        self._attempts_do("begin", [_NETWORK])
        predictor = BatchPredictor(settings.model, **asdict(settings.options))
        self._attempts_do("end", [_NETWORK])
        self._segmenter, self._ids = predictor.segmenter, predictor.ids
        self._schema = row_schema(self._segmenter.class_map.names)
        remove_abandoned(Path(tempfile.gettempdir()), TEMPORARY)

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Predict a batch; its images one at a time if a worker died with one of them.

        Args:
            batch: columns `source`, path or URL, and `stem` of the outputs, as bytes.

        Returns:
            The rows of the images, with the columns of `row_schema`; several for a file
            with several images.

        Raises:
            OSError: if the disk is full.
        """
        sources, stems = ([*map(os.fsdecode, c.to_pylist())] for c in batch.columns)
        images = [*zip(sources, stems, strict=True)]
        counts = self._attempts_do("counts", sources)
        if not any(counts):
            rows = self._predict(images)
        else:
            rows = []
            for image, count in zip(images, counts, strict=True):
                if count < _MAX_ATTEMPTS:
                    rows += self._predict([image])
                else:
                    name = without_options(image[0])
                    problem = (
                        f"{name} can't be predicted: its worker ended {count} times, "
                        "usually for lack of memory"
                    )
                    rows.append(_failed(name, None, problem))
        return pa.Table.from_pylist(rows, self._schema)

    def _predict(self, images):
        """The rows of images, counted as one attempt of each."""
        sources = [source for source, _ in images]
        self._attempts_do("begin", sources)
        confidence = self._settings.outputs.confidence
        parent = Path(tempfile.gettempdir())
        with work_folder(parent, TEMPORARY) as folder, threads(_AHEAD) as executor:
            opened = ordered_map(
                executor, partial(self._open, folder), enumerate(images), _AHEAD
            )
            predicted = predict_tasks(
                self._segmenter,
                chain.from_iterable(opened),
                batch_size_of(self._segmenter),
                confidence,
            )
            write_row = partial(self._write, self._base(folder))
            rows = [*ordered_map(executor, write_row, predicted, _AHEAD)]
        self._attempts_do("end", sources)
        return rows

    def _base(self, folder):
        """The folder of the outputs; those with a URL are written to `folder` first."""
        output_dir = self._settings.output_dir
        return folder / "outputs" if is_url(output_dir) else Path(output_dir)

    def _open(self, folder, numbered_image):
        """The tasks of a file, the first with its image; a URL is downloaded."""
        number, (source, stem) = numbered_image
        name = without_options(source)
        job = Job(Path(source), self._base(folder) / stem)
        if is_url(source):
            path = folder / f"{number}{Path(name).suffix}"
            job = replace(job, path=path, url=name)
            try:
                path.write_bytes(read(source))
            except Exception as error:  # file systems raise classes of their own
                task = ImageTask(job)
                task.fail("read", error)
                return [task]
        tasks = self._read(job)
        return chain([next(tasks)], tasks)

    def _read(self, job):
        settings, value_range = self._settings, self._segmenter.value_range
        yield from read_images(job, settings.outputs, settings.max_pixels, value_range)
        if job.url:  # not at the end of the block, whose files may fill the disk
            job.path.unlink()

    def _write(self, base, task):
        """Write the outputs of an image, and return its row."""
        settings, job = self._settings, task.job
        result = write_outputs(task, self._segmenter.class_map, settings.outputs)
        if not result.problem and is_url(settings.output_dir):
            try:
                # The label map last: it marks the image as done.
                for path in settings.outputs.paths(job, task.frame).values():
                    name = str(path.relative_to(base))
                    write(child(settings.output_dir, name), path.read_bytes())
                    path.unlink()
            except Exception as error:  # file systems raise classes of their own
                task.fail("written", error)
        size, counts = result.size, result.counts
        if task.problem or size is None or counts is None:
            return _failed(job.name, task.frame, task.problem)
        shares = counts / counts.sum()
        return {
            "path": as_utf8(job.name),
            "frame": task.frame,
            "status": "done",
            "output": as_utf8(str(job.labels_path(task.frame).relative_to(base))),
            "height": size[0],
            "width": size[1],
            "seconds": result.seconds,
            "confidence": result.confidence,
            **{name: shares[class_id] for name, class_id in self._ids.items()},
        }

    def _attempts_do(self, method, names):
        return ray.get(getattr(self._attempts, method).remote(names))


def _failed(name, frame, problem):
    path = as_utf8(name)
    return {"path": path, "frame": frame, "status": "error", "error": problem}
