"""Prediction of the batches of a Ray data set."""

import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from keras_fcn.config import DEFAULT_NETWORK
from keras_fcn.images.encoding import encode_label_map, marked
from keras_fcn.images.prefetch import ordered_map, threads
from keras_fcn.prediction.batch import batch_size_of, predict_tasks
from keras_fcn.prediction.jobs import Job
from keras_fcn.prediction.results import ImageTask, count_ids
from keras_fcn.prediction.segmenter import as_rgb, load
from keras_fcn.ray.storage import is_url, read

# Images that are read before they are predicted, or wait to be returned: enough to hide
# the latency of a URL.
_AHEAD = 8
_KINDS = ("image", "bytes", "path")
_TYPES: dict[str, Any] = {
    "label_map": object,
    "height": "int32",
    "width": "int32",
    "error": object,
}


class BatchPredictor:
    """Predicts batches of images, as a class for `map_batches` of Ray Data.

    Examples:
        >>> images = ray.data.read_images("photographs", include_paths=True)
        >>> predicted = images.map_batches(
        ...     BatchPredictor, fn_constructor_args=("fcn8s-camvid",), concurrency=2
        ... )

    A worker uses as many threads as it has cores (`num_cpus`), and the GPU, or its
    share of one (`num_gpus`), which Ray has assigned to it; memory of a GPU is
    allocated as it is needed.

    Args:
        model: a network, as for `keras_fcn.load`. Its path must exist on all machines.
        **options: further arguments of `keras_fcn.load`.

    Attributes:
        segmenter: the `Segmenter` of the network.
        ids: class ids by the name of their column, `share_road` and so on.

    Raises:
        FileNotFoundError: if there is no such network.
        ValueError: if the network is damaged, or an option is out of range.
    """

    def __init__(self, model: str = DEFAULT_NETWORK, **options: Any):
        # Ray sets it to the number of cores; TensorFlow reads variables of its own.
        if num_threads := os.environ.get("OMP_NUM_THREADS"):
            os.environ.setdefault("TF_NUM_INTRAOP_THREADS", num_threads)
            os.environ.setdefault("TF_NUM_INTEROP_THREADS", num_threads)
        self.segmenter = load(model, **options)
        class_map = self.segmenter.class_map
        ids = (*range(class_map.num_classes), class_map.void_id)
        names = (f"share_{name}" for name in (*class_map.names, "void"))
        self.ids = dict(zip(names, ids, strict=True))

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Predict a batch; consecutive images of one size together on a GPU.

        Args:
            batch: the images in one of these columns, the first that exists:
                `image`: arrays that a `Segmenter` takes, usually uint8 `(height, width,
                3)` in RGB, as from `ray.data.read_images`;
                `bytes`: contents of files, as from `ray.data.read_binary_files`;
                `path`: paths, or URLs such as `s3://bucket/image.jpg`.

        Returns:
            The columns of the batch except `image` and `bytes`, and for each image:
            `label_map`: a palette PNG of the class ids, bytes;
            `height` and `width`: its size in pixels, int32;
            `confidence`: mean over the pixels, float32 in [0, 1];
            `share_NAME` of each class and `share_void`: share of the pixels, float32;
            `error`: why the image could not be predicted, in one line, or "". After an
            error `label_map` is empty, the size 0 and the other numbers are NaN.

        Raises:
            ValueError: if the batch has none of the three columns.
        """
        kind = next((name for name in _KINDS if name in batch), None)
        if kind is None:
            raise ValueError(
                "A batch must have a column `image`, `bytes` or `path`. Received: "
                f"{', '.join(batch)}"
            )
        names = batch.get("path", [f"image {n}" for n in range(len(batch[kind]))])
        with TemporaryDirectory() as folder, threads(_AHEAD) as executor:

            def read_item(item):
                number, (name, value) = item
                job = Job(Path(folder, str(number)), Path(), str(name))
                return self._read(ImageTask(job), kind, value)

            items = enumerate(zip(names, batch[kind], strict=True))
            tasks = ordered_map(executor, read_item, items, _AHEAD)
            size = batch_size_of(self.segmenter)
            predicted = predict_tasks(self.segmenter, tasks, size, with_confidence=True)
            rows = list(ordered_map(executor, self._row, predicted, _AHEAD))
        columns = ("label_map", "height", "width", "confidence", *self.ids, "error")
        kept = {name: batch[name] for name in batch if name not in ("image", "bytes")}
        return kept | {
            name: np.array([row[name] for row in rows], _TYPES.get(name, "float32"))
            for name in columns
        }

    def _read(self, task, kind, value):
        """Set the image of a task; bytes and URLs are read from a temporary file."""
        try:
            if kind == "path" and is_url(value):
                kind, value = "bytes", read(value)
            if kind == "bytes":
                task.job.path.write_bytes(value)
                value = task.job.path
            segmenter = self.segmenter
            task.image = as_rgb(value, segmenter.max_pixels, segmenter.value_range)
        except Exception as error:  # of any decoder or file system
            task.fail("read", error)
        task.job.path.unlink(missing_ok=True)
        return task

    def _row(self, task):
        """The values of an image by column."""
        row: dict[str, Any] = dict.fromkeys(("confidence", *self.ids), np.nan)
        row |= {"label_map": b"", "height": 0, "width": 0, "error": task.problem}
        if (label_map := task.label_map) is not None:
            content = encode_label_map(label_map, self.segmenter.class_map)
            row["label_map"] = marked(content)
            row["height"], row["width"] = label_map.shape
            row["confidence"] = task.confidence.mean()
            shares = count_ids(label_map) / label_map.size
            row |= {name: shares[class_id] for name, class_id in self.ids.items()}
        return row
