"""A scan by several processes, for many samples: threads of Python share one core."""

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue

from keras_fcn.datasets.folder.samples import Sample

_CHUNK = 512  # samples that a process takes at a time
_CODE = "from keras_fcn.datasets.folder.scan_processes import serve; serve()"


def examine_in_processes(
    samples: Sequence[Sample], values: dict[str, int], is_full: bool, max_pixels: int
) -> Iterator[list]:
    """Yield the facts of samples in order, in parts.

    The processes are Python's own, started anew: a fork of one in which TensorFlow
    runs may hang, and `multiprocessing` runs the user's script a second time.

    Args:
        samples, values, is_full, max_pixels: as for `scan`.

    Raises:
        OSError: if a process ends before its work.
    """
    chunks = [samples[at : at + _CHUNK] for at in range(0, len(samples), _CHUNK)]
    with _workers(min(8, os.cpu_count() or 1)) as free:

        def examine(chunk):
            worker = free.get()
            try:
                pickle.dump((chunk, values, is_full, max_pixels), worker.stdin)
                worker.stdin.flush()
                return pickle.load(worker.stdout)
            except (EOFError, BrokenPipeError) as error:
                raise OSError("A process that reads images has ended early") from error
            finally:
                free.put(worker)

        with ThreadPoolExecutor(free.qsize()) as pool:
            yield from pool.map(examine, chunks)


@contextmanager
def _workers(count):
    """Processes that run `serve`, in a queue."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", _CODE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
        for _ in range(count)
    ]
    free = SimpleQueue()
    for worker in workers:
        free.put(worker)
    try:
        yield free
    finally:
        for worker in workers:
            worker.stdin.close()
            worker.stdout.close()
            worker.wait()


def serve() -> None:
    """Examine the samples that come on standard input until it ends."""
    from keras_fcn.datasets.folder.scan import examine

    while True:
        try:
            samples, values, is_full, max_pixels = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        cache: dict = {}
        facts = [
            examine(sample, values, is_full, cache, max_pixels) for sample in samples
        ]
        pickle.dump(facts, sys.stdout.buffer)
        sys.stdout.buffer.flush()
