"""Prediction of images by the workers of a Ray cluster, with a manifest."""

import logging
import os
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError

from keras_fcn.errors import one_line
from keras_fcn.progress import Progress
from keras_fcn.ray.cluster import connected, free_resources, worker_resources
from keras_fcn.ray.image_writer import Attempts, ImageWriter, Settings, check_machine
from keras_fcn.ray.manifest import Manifest
from keras_fcn.ray.storage import child, is_url, locate, write
from keras_fcn.runs.bundled import find_network
from keras_fcn.runs.names import start_name
from keras_fcn.storage.locks import Locked, lock

logger = logging.getLogger(__name__)

_LOCK = ".manifest.lock"
# Maximum number of images in a block. A block takes a worker several seconds, and is
# predicted again if the worker dies. With smaller blocks, a fast cluster waits for the
# driver: see ray_scale.py.
_LARGEST_BLOCK_PER_CORE = 32
_LARGEST_BLOCK_ON_GPU = 1024
# The minimum; on CPUs, the last blocks are smaller, so that all workers end together.
_BLOCKS_PER_WORKER = 4
_SECONDS_TO_START = 600
_SECONDS_PER_BLOCK = 4 * 3600


def predict_by_workers(
    sources: dict[str, str],
    settings: Settings,
    address: str,
    workers: int | tuple[int, int] | None = None,
    gpus_per_worker: float | None = None,
    worker_class: type[ImageWriter] = ImageWriter,
) -> int:
    """Predict images on a cluster, and write the manifest.

    Images that are done in the output folder are skipped. Logs the number of workers
    and of images that are done, the progress, and a line for each image that failed.

    Args:
        sources: the images, as from `find_sources`; those that are done are removed.
        settings: the network and the outputs.
        address: as in `connected`.
        workers: as in `worker_resources`.
        gpus_per_worker: `gpus` of `worker_resources`.
        worker_class: class of the workers.

    Returns:
        The number of images that failed.

    Raises:
        OSError: if there is no connection to the cluster, or the disk is full.
        TimeoutError: if the cluster has no free resources.
        ValueError: if the workers have other networks or versions, or the output folder
            contains another prediction.
    """
    network = find_network(settings.model, exported=True)
    fingerprint, outputs = network.fingerprint(), settings.outputs
    depends_on = {
        "model": fingerprint[:12],
        **asdict(settings.options),
        "overlay": outputs.overlay,
        "confidence": outputs.confidence,
    }
    with _locked(settings.output_dir) as shared:
        class_names = network.read_class_map().names
        manifest = Manifest(settings.output_dir, class_names, depends_on)
        if num_done := manifest.resume(sources):
            logger.info("Skipped: %d images that are done", num_done)
        if not sources:
            manifest.finish()
            return 0
        with connected(address):
            pool = worker_resources(workers, gpus_per_worker)
            settings = replace(
                settings,
                model=start_name(settings.model),
                fingerprint=fingerprint,
                num_workers=pool.largest,
                lock=shared,
            )
            _check_a_machine(settings, pool)
            logger.info("Workers: %s", pool)
            with closing(_predict(sources, settings, worker_class, pool)) as rows:
                try:
                    num_failed = _collect(rows, manifest, len(sources), pool.smallest)
                finally:
                    manifest.flush()
        manifest.finish()
    return num_failed


def _check_a_machine(settings, pool):
    """Wait for free resources, and check the settings where they are."""
    check = ray.remote(check_machine).options(num_cpus=pool.cores, num_gpus=pool.gpus)
    try:
        ray.get(check.remote(settings), timeout=_SECONDS_TO_START)
    except GetTimeoutError as error:
        raise TimeoutError(
            f"No worker could be started within {_SECONDS_TO_START} s: "
            f"{free_resources()}"
        ) from error
    except RayTaskError as error:
        raise error.cause or error from None


def _predict(sources, settings, worker_class, pool) -> Generator[pa.Table, None, None]:
    """The rows of blocks of images, from Ray Data."""
    data = ray.data.from_blocks([*_blocks(sources, pool)])
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    data.context.enable_progress_bars = False
    data.context.print_on_execution_start = False
    data.context.raise_original_map_exception = True
    data.context.memory_usage_poll_interval_s = None  # takes time of the workers
    data.context.execution_no_progress_timeout_s = _SECONDS_PER_BLOCK
    attempts = ray.remote(Attempts).options(
        num_cpus=0, max_restarts=-1, max_task_retries=-1
    )
    predicted = data.map_batches(
        worker_class,
        fn_constructor_args=(settings, attempts.remote()),
        compute=ray.data.ActorPoolStrategy(
            min_size=pool.smallest, max_size=pool.largest
        ),
        batch_format="pyarrow",
        # Ray Data requires a size on GPUs, and joins smaller blocks.
        batch_size=_block_size(len(sources), pool) if pool.gpus else None,
        num_cpus=pool.cores,
        num_gpus=pool.gpus,
    )
    try:
        # Without the thread that fetches blocks ahead, which outlives the connection.
        yield from predicted.iter_batches(
            prefetch_batches=0, batch_size=None, batch_format="pyarrow"
        )
    except RayTaskError as error:
        raise error.cause or error from None
    except RayError as error:  # of a worker that cannot start, such as a missing module
        last = ValueError(str(error).strip().rpartition("\n")[2])
        raise ChildProcessError(f"A worker failed: {one_line(last)}") from error


def _block_size(num_images, pool):
    """Number of images of the next block, of those that are left."""
    largest = _LARGEST_BLOCK_PER_CORE * max(1, int(pool.cores))
    if pool.gpus:
        largest = _LARGEST_BLOCK_ON_GPU
    return max(1, min(largest, num_images // (_BLOCKS_PER_WORKER * pool.largest)))


def _blocks(sources, pool):
    """Tables of images, for one call of a worker each."""
    images, left = iter(sources.items()), len(sources)
    size = _block_size(left, pool)
    while part := [*islice(images, size)]:
        columns = [[*map(os.fsencode, names)] for names in zip(*part, strict=True)]
        yield pa.table(columns, names=["source", "stem"])
        left -= len(part)
        if not pool.gpus:
            size = _block_size(left, pool)


def _collect(tables, manifest, num_images, num_workers):
    """Write rows to the manifest, log progress and errors, and count the failed."""
    num_failed, progress = 0, Progress(description="Predicting", total=num_images)
    for number, table in enumerate(tables):
        manifest.add(table)
        failed = table.filter(pc.equal(table["status"], "error"))
        for error in failed["error"].to_pylist():
            logger.error("skipped: %s", error)
        num_failed += pc.count_distinct(failed["path"]).as_py()
        num_done = pc.count_distinct(table["path"]).as_py()
        if number < num_workers:
            # The rate is that after the start of the workers and their first blocks.
            progress.initial += num_done
            progress.start_t = progress.last_print_t = time.time()
        progress.update(num_done)
    progress.close()
    # There is no rate if each worker had a single block.
    rate = f", {progress.rate:.2f} images/s" if progress.rate else ""
    logger.info("Predicted: %d images%s", progress.n, rate)
    return num_failed


@contextmanager
def _locked(output_dir):
    """Lock a folder of a disk; yields path and content of the lock file."""
    if is_url(output_dir):
        # Refuses a bucket that cannot be written to before the work starts.
        write(child(output_dir, _LOCK), b"")
        file_system, name = locate(child(output_dir, _LOCK))
        file_system.delete_file(name)
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
