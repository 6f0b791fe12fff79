"""Long load test of an exported model with valid, damaged and hostile images.

    python -m torture.soak --minutes 30 --threads 8

Exports a network and calls its `serving_default` from several threads, as a server
does. Valid images must get their label map, invalid ones must be refused with their
index in the request, and memory must not grow. Prints a line per minute; the exit
status is 1 after any failure. Requires Linux.
"""

import argparse
import io
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from keras_fcn.config import DEFAULT_NETWORK
from keras_fcn.runs.bundled import find_network
from keras_fcn.serving.export import export
from keras_fcn.serving.options import ExportOptions
from street_rendering import render_street
from torture.mutations import mutate

MAX_PIXELS = 192 * 256
MIN_AGREEMENT = 0.999  # share of pixels: the order of sums changes a few
WARM_UP = 0.3  # share of the time in which memory may grow
MAX_GROWTH = 1.05
_SIZES = ((96, 128), (33, 47), (128, 96), (1, 1), (160, 200), (64, 300))


def encode(image: np.ndarray, kind: str) -> bytes:
    """Encode an image.

    Args:
        image: uint8 RGB `(height, width, 3)`.
        kind: "PNG" or "JPEG".
    """
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind)
    return file.getvalue()


def good_images() -> list[bytes]:
    """Return rendered streets of several sizes, as PNG and JPEG."""
    files = []
    for number, (height, width) in enumerate(_SIZES):
        image, _ = render_street(0, number, max(height, 64), max(width, 64))
        image = np.ascontiguousarray(image[:height, :width])
        files += [encode(image, "PNG"), encode(image, "JPEG")]
    return files


def hostile_images() -> list[bytes]:
    """Return files that must be refused: bombs, other formats, not images."""
    png = encode(np.zeros((8, 8, 3), "uint8"), "PNG")
    huge = bytearray(png)
    huge[16:24] = b"\x7f\xff\xff\xff" * 2
    wide = encode(np.zeros((1, 60_000, 3), "uint8"), "PNG")
    return [
        b"",
        b"words",
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        b"GIF89a" + bytes(100),
        bytes(huge),
        wide,
        png[:40],
        encode(np.zeros((400, 400, 3), "uint8"), "JPEG"),
        b"\xff\xd8\xff" + bytes(1000),
        bytes(2**20),
    ]


def resident_mebibytes() -> float:
    """Return the resident memory of this process, MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


class Soak:
    """Threads that send requests and check the responses.

    Attributes:
        counts: number of requests by kind.
        failures: lines, one per failed check.
    """

    def __init__(self, predict, seed):
        """Predict the expected label maps, one by one.

        Args:
            predict: function from a list of files to their label maps as PNG.
            seed: seed of the requests.
        """
        self.counts, self.failures = Counter(), []
        self._predict, self._seed, self._lock = predict, seed, threading.Lock()
        self._good, self._hostile = good_images(), hostile_images()
        self._expected = [_read(predict([file])[0]) for file in self._good]

    def run(self, number: int, ends: float) -> None:
        """Send requests until a given time.

        Args:
            number: number of the thread.
            ends: the end, in seconds of `time.monotonic`.
        """
        rng = np.random.default_rng([self._seed, number])
        kinds = (
            self._send_good,
            self._send_hostile,
            self._send_damaged,
            self._send_mixed,
        )
        while time.monotonic() < ends:
            send = kinds[rng.choice(len(kinds), p=(0.5, 0.2, 0.15, 0.15))]
            try:
                kind, problem = send(rng)
            except Exception as error:  # any other exception is a failure
                kind, problem = "failed", f"{type(error).__name__}: {error}"
            with self._lock:
                self.counts[kind] += 1
                if problem:
                    self.failures.append(problem)

    def _send_good(self, rng):
        """Send one to four valid images: each must get its own label map."""
        chosen = rng.integers(len(self._good), size=rng.integers(1, 5))
        answers = self._predict([self._good[index] for index in chosen])
        for index, answer in zip(chosen, answers, strict=True):
            expected, received = self._expected[index], _read(answer)
            is_same = expected.shape == received.shape
            if not is_same or (expected == received).mean() < MIN_AGREEMENT:
                return "good", f"wrong label map for image {index}"
        return "good", None

    def _send_hostile(self, rng):
        return "hostile", self._refusal([self._hostile[rng.integers(10)]], 0)

    def _send_mixed(self, rng):
        """Send a hostile image among valid ones: the error must have its index."""
        files = [self._good[index] for index in rng.integers(len(self._good), size=3)]
        place = int(rng.integers(4))
        files.insert(place, self._hostile[rng.integers(len(self._hostile))])
        return "mixed", self._refusal(files, place)

    def _send_damaged(self, rng):
        """Send a damaged image: refused with its index, or predicted."""
        file = mutate(self._good, rng)
        try:
            (answer,) = self._predict([file])
        except tf.errors.InvalidArgumentError as error:
            is_named = "image_bytes[0]" in error.message
            return "damaged", None if is_named else f"refused with {error.message}"
        _read(answer)
        return "damaged", None

    def _refusal(self, files, place):
        """None if a request is refused for the image at this index."""
        try:
            self._predict(files)
        except tf.errors.InvalidArgumentError as error:
            if f"image_bytes[{place}]" in error.message:
                return None
            return f"refused with {error.message}"
        return f"image {place} of {len(files)} was not refused"


def _read(answer):
    with Image.open(io.BytesIO(answer)) as image:
        return np.asarray(image)


def main(argv: list[str] | None = None) -> int:
    """Run the load test and print the results.

    Args:
        argv: command-line arguments; `sys.argv` when None.

    Returns:
        1 if a check failed or memory grew.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=DEFAULT_NETWORK, help="run or network")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    print(f"seed {arguments.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        version = export(
            find_network(arguments.model),
            Path(folder, "fcn"),
            ExportOptions(max_pixels=MAX_PIXELS),
        )
        loaded = tf.saved_model.load(str(version))
        function = loaded.signatures["serving_default"]

        def predict(files):
            answer = function(image_bytes=tf.constant(files))
            return list(answer["label_png_bytes"].numpy())

        soak = Soak(predict, arguments.seed)
        memory = _run(soak, arguments.minutes * 60, arguments.threads)
    return _report(soak, memory)


def _run(soak, seconds, num_threads):
    """Run the threads; return the memory in MiB, once per second."""
    began = time.monotonic()
    threads = [
        threading.Thread(target=soak.run, args=(number, began + seconds))
        for number in range(num_threads)
    ]
    for thread in threads:
        thread.start()
    memory = []
    while any(thread.is_alive() for thread in threads):
        time.sleep(1)
        memory.append(resident_mebibytes())
        if len(memory) % 60 == 0:
            total, now = sum(soak.counts.values()), memory[-1]
            print(f"{len(memory) // 60:>3} min {total:>8} requests {now:>7.0f} MiB")
    return memory


def _report(soak, memory):
    warm = max(memory[: max(1, int(WARM_UP * len(memory)))])
    last = max(memory[int(WARM_UP * len(memory)) :])
    for kind, count in sorted(soak.counts.items()):
        print(f"{kind:<10}{count:>8} requests")
    print(f"failures  {len(soak.failures):>8}")
    print(
        f"memory    {warm:>8.0f} MiB after {WARM_UP:.0%}, {last:.0f} MiB at most after"
    )
    for line in soak.failures[:10]:
        print(f"  {line[:300]}")
    return 1 if soak.failures or last > MAX_GROWTH * warm else 0


if __name__ == "__main__":
    sys.exit(main())
