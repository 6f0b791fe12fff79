"""Rendering of many scenes by several processes."""

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context, parent_process

import cv2
import numpy as np

from street_rendering.scene import render_street

FEWEST = 64  # scenes; for fewer, starting processes takes longer than rendering
# Libraries that start as many threads as there are cores, in every process.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def render_pngs(
    seed: int, numbers: Sequence[int], height: int, width: int
) -> Iterator[tuple[bytes, bytes]]:
    """Render scenes as PNG files, with all cores if there are many scenes.

    The processes are spawned, because a fork of a process that runs TensorFlow may
    hang. A script that renders therefore needs `if __name__ == "__main__":`.

    Args:
        seed: seed of the data set, not negative.
        numbers: numbers of the scenes, not negative.
        height: rows of an image.
        width: columns of an image.

    Yields:
        Image and label map of each scene, in the order of `numbers`.

    Raises:
        OSError: if a process ends early.
    """
    render = partial(_render_png, seed, height, width)
    num_processes = min(os.cpu_count() or 1, len(numbers) // (FEWEST // 2))
    if num_processes < 2:
        yield from map(render, numbers)
        return
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    pool = ProcessPoolExecutor(num_processes, get_context("spawn"), _start_process)
    try:
        yield from pool.map(render, numbers, chunksize=4)
    except BrokenProcessPool as error:
        raise OSError(
            "A process that renders scenes ended early: is there too little memory, or "
            'does the script lack `if __name__ == "__main__":`?'
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _start_process() -> None:
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process with its parent, also one that was killed."""
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)


def _render_png(seed: int, height: int, width: int, number: int) -> tuple[bytes, bytes]:
    image, label_map = render_street(seed, number, height, width)
    return _encode_png(cv2.cvtColor(image, cv2.COLOR_RGB2BGR)), _encode_png(label_map)


def _encode_png(array: np.ndarray) -> bytes:
    # Level 1: a tenth larger than the default, but quick.
    return cv2.imencode(".png", array, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()
