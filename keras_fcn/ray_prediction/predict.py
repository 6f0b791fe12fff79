"""Prediction of images by the workers of a cluster, with a manifest of the results."""

import logging
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import ray

import keras_fcn
from keras_fcn.prediction.options import PredictionOptions
from keras_fcn.prediction.outputs import Outputs
from keras_fcn.ray_prediction.cluster import connected, share_of
from keras_fcn.ray_prediction.manifest import Manifest
from keras_fcn.ray_prediction.messages import Row, Settings
from keras_fcn.ray_prediction.pool import Pool
from keras_fcn.ray_prediction.sources import Sources
from keras_fcn.ray_prediction.storage import Storage, is_url, root_of, without_options
from keras_fcn.ray_prediction.worker import Worker
from keras_fcn.runs.names import start_name
from keras_fcn.storage.locks import Locked, lock

logger = logging.getLogger(__name__)

_LOCK = ".manifest.lock"


@dataclass(frozen=True)
class Task:
    """A prediction on a cluster.

    Attributes:
        sources: the images.
        output_dir: absolute path or URL.
        model: as in `keras_fcn.load`.
        options: how the network is applied to the images.
        outputs: the files to write for each image.
        max_pixels: limit for an image.
    """

    sources: Sources
    output_dir: str
    model: str
    options: PredictionOptions
    outputs: Outputs
    max_pixels: int


def predict_on_ray(
    task: Task,
    address: str,
    num_workers: int | None = None,
    gpus_per_worker: float | None = None,
    worker_class: type[Worker] = Worker,
) -> Generator[list[Row], None, None]:
    """Predict images on a cluster, and write the manifest.

    Images that are done in the output folder are skipped, and workers that die are
    replaced. Logs the number of workers, and of images that are done.

    Args:
        task: the images, the network and the outputs.
        address: as in `connected`.
        num_workers: as in `share_of`.
        gpus_per_worker: `gpus` of `share_of`.
        worker_class: class of the actors.

    Yields:
        Rows of some images when they are predicted. The first list is empty, when the
        workers are ready, and so is one after each second without results.

    Raises:
        OSError: if there is no connection to the cluster, or the disk is full.
        ValueError: if the workers have other networks or versions, or the output folder
            contains another prediction.
    """
    is_remote, folder = is_url(task.output_dir), without_options(task.output_dir)
    storage = Storage(root_of(task.output_dir) if is_remote else "")
    waiting = task.sources.by_stem
    with _locked(task.output_dir) as shared, connected(address):
        num_workers, share = share_of(num_workers, gpus_per_worker)
        pool = _start_pool(task, folder, worker_class, shared, num_workers, share)
        try:
            first = pool.first_ready()
            logger.info(
                "Workers: %d, with %g cores and %g GPUs each",
                num_workers,
                share.cpus,
                share.gpus,
            )
            if first.version != keras_fcn.__version__:
                raise ValueError(
                    f"The worker on {first.host} has keras-fcn {first.version}, but "
                    f"this machine {keras_fcn.__version__}: install the same version"
                )
            settings = {  # that the outputs depend on
                "model": first.fingerprint[:12],
                **asdict(task.options),
                "overlay": task.outputs.overlay,
                "confidence": task.outputs.confidence,
            }
            manifest = Manifest(storage, folder, first.class_names, settings)
            num_done = manifest.resume(waiting)
            if num_done:
                logger.info("Skipped: %d images that are done", num_done)
            yield []
            try:
                for rows in pool.predict(waiting):
                    manifest.add(rows)
                    yield rows
            finally:
                manifest.flush()
            manifest.finish()
        finally:
            pool.close()


def _start_pool(task, folder, worker_class, shared, num_workers, share):
    roots = dict(task.sources.roots)
    if is_url(task.output_dir):
        root = root_of(task.output_dir)
        roots[without_options(root)] = root
    settings = Settings(
        model=start_name(task.model),
        options=task.options,
        outputs=task.outputs,
        max_pixels=task.max_pixels,
        output_dir=folder,
        roots=roots,
        num_threads=max(1, int(share.cpus)) if share.cpus else None,
        lock=shared,
    )
    actor_class = ray.remote(worker_class).options(
        num_cpus=share.cpus,
        num_gpus=share.gpus,
        max_concurrency=4,  # two chunks in progress, and `stop`
        max_restarts=0,  # the pool replaces actors
        max_task_retries=0,
    )
    return Pool(lambda: actor_class.remote(settings), num_workers)


@contextmanager
def _locked(output_dir):
    """Lock a folder of a disk; yields path and content of the lock file."""
    if is_url(output_dir):
        yield None
        return
    folder = Path(output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _LOCK
    try:
        with lock(path):
            yield str(path), path.read_text()
    except Locked as error:
        raise ValueError(
            f"{error} is predicting into `output_dir` {output_dir}"
        ) from error
