"""A trained network with its classes: label maps of images of any kind."""

import dataclasses
import os
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from keras_fcn.classes import ClassMap
from keras_fcn.config import DEFAULT_NETWORK, MAX_IMAGE_PIXELS
from keras_fcn.conversion.options import InferencePrecision, RuntimeName, RuntimeOptions
from keras_fcn.conversion.selection import select_runtime
from keras_fcn.drawing.html import html_with_classes
from keras_fcn.drawing.overlays import overlay, overlay_with_legend
from keras_fcn.errors import summarize
from keras_fcn.images.opening import check_pixels
from keras_fcn.images.reading import as_image, read_image, values_of
from keras_fcn.images.value_range import scaled
from keras_fcn.prediction.confidence import mark_unknown
from keras_fcn.prediction.options import Dense, PredictionOptions
from keras_fcn.prediction.predictor import make_predictor, resolve_options
from keras_fcn.prediction.segmentation_result import SegmentationResult
from keras_fcn.runs.bundled import find_network
from keras_fcn.runs.exported import ExportedModel
from keras_fcn.typing import Scale, Size, ValueRange

if TYPE_CHECKING:
    import keras

AnyImage = str | PathLike | Image.Image | np.ndarray

_OPTIONS = [field.name for field in dataclasses.fields(PredictionOptions)]
_BATCH_SIZE = 4  # images of a given batch that the network processes at a time


# The process that made the first segmenter.
_process: int | None = None


def _check_process() -> None:
    """Check that this process is no fork of one that has used a network.

    Raises:
        RuntimeError: if it is: the threads of TensorFlow and JAX do not exist in a
            fork, which would wait for them forever.
    """
    global _process
    if _process not in (None, os.getpid()):
        raise RuntimeError(
            f"process {os.getpid()} is a fork of process {_process}, which has used a "
            'network: start processes by `multiprocessing.get_context("spawn")`, or '
            "load the network in the new processes only"
        )
    _process = os.getpid()


class Segmenter:
    """Labels the pixels of images with a network.

    An image is a path, a Pillow image, or an array of RGB values: `(height, width, 3)`;
    with 1 channel or no channel axis it is gray, and a fourth channel, alpha, is
    dropped. Values are from 0 to 255, or of `value_range`. The EXIF orientation of
    files and Pillow images is applied.

    A segmenter can be used from several threads, and pickled with its network, for
    processes that are started by `spawn`. In a fork of a process that has used a
    network it raises RuntimeError.

    Args:
        model: a network of `FCN`, or an exported network.
        class_map: names and colors of its classes.
        tta: test-time augmentation: average the probabilities over five scales, 0.75 to
            1.75, of the image and of its mirror image. Takes about 17 times as long.
        dense: "upsampling" by the network's own layers, or "shift-and-stitch": logits
            of every pixel from shifted images.
        stride_factor: number of shifts along each axis for shift-and-stitch, a divisor
            of the network's stride; None for the stride itself.
        size: inference size: pixels of the shorter side that images are resized to, or
            "native" to leave images as they are. Results have the image's own size.
        tile: height and width of tiles, pixels, at least 32: images are processed tile
            by tile, so that memory does not grow with the image's height. None to
            process images of up to 4 million pixels whole, larger ones in tiles of
            1024x1024.
        overlap: pixels that two neighboring tiles share, less than the tile's shorter
            side; None for 416, or half the tile's shorter side if that is less. From
            404, the receptive field, the result is that of the whole image.
        uncertainty: number of passes of Monte-Carlo dropout, whose probabilities are
            averaged; each takes as long as a prediction. 0 for none.
        temperature: divides the logits before the softmax, and changes no label; None
            for 1.
        unknown_below: probability below which a pixel is labeled void; 0 labels all.
        max_pixels: maximum number of pixels of a file or a Pillow image.
        value_range: the values that become 0 and 255, as in (0, 4095); "dtype" for the
            whole range of an image's type; "auto" to decide by each image: integers
            from 0 have 8, 10, 12, 14 or 16 bits, and floats are from 0 to 255.

    Attributes:
        model: the network.
        class_map: names and colors of its classes.
        options: the `PredictionOptions` made of the arguments.
        predictor: the `Predictor` of the network.
        max_pixels: maximum number of pixels of a file or a Pillow image.
        value_range: the values of images that become 0 and 255, as given.

    Raises:
        ValueError: if an argument is out of range, or arguments cannot be combined.
    """

    def __init__(
        self,
        model: "keras.Model | ExportedModel",
        class_map: ClassMap,
        *,
        tta: bool = False,
        dense: Dense = "upsampling",
        stride_factor: int | None = None,
        size: Scale = "native",
        tile: Size | None = None,
        overlap: int | None = None,
        uncertainty: int = 0,
        temperature: float | None = None,
        unknown_below: float = 0.0,
        max_pixels: int = MAX_IMAGE_PIXELS,
        value_range: ValueRange = "auto",
    ):
        arguments = dict(locals())
        _check_process()
        self.options = PredictionOptions(**{n: arguments[n] for n in _OPTIONS})
        self._source: dict[str, Any] | None = None  # arguments of `load`
        self.model = model
        self.class_map = class_map
        self.max_pixels = max_pixels
        self.value_range: ValueRange = value_range
        self.predictor = make_predictor(model, self.options)

    def predict(self, image: AnyImage) -> SegmentationResult:
        """Return all results of an image: label map, confidence, polygons, overlay.

        Examples:
            >>> result = segmenter.predict("street.jpg")
            >>> result.shares["road"], result.polygons("car")
            >>> result.save("predictions")

        Args:
            image: one image.

        Raises:
            OSError: if the file is missing.
            ValueError: if the image is invalid, as for a call.
        """
        batch = self._as_batch(image)
        label_maps, confidence = self._label_maps_and_confidence(batch)
        path: Any = getattr(image, "filename", image)  # of a Pillow image
        is_path = isinstance(path, str | PathLike) and path
        return SegmentationResult(
            Path(path).name if is_path else "image",
            batch[0].astype("uint8"),
            label_maps[0],
            confidence[0],
            self.class_map,
        )

    def __call__(
        self, images: AnyImage | Sequence[AnyImage]
    ) -> np.ndarray | list[np.ndarray]:
        """Return the label map of an image, or the label maps of several images.

        Args:
            images: an image; a list of images of any sizes; or an array of several of
                one size, `(batch, height, width, 3)`.

        Returns:
            Class ids, uint8 `(height, width)`; a list of these for a list; `(batch,
            height, width)` for a batch. Pixels whose confidence is below
            `unknown_below` are void.

        Raises:
            OSError: if a file is missing.
            ValueError: if a file is not an image, or the value range is not known.
        """
        return self._map(self._label_maps, images)

    def confidence(
        self, images: AnyImage | Sequence[AnyImage]
    ) -> np.ndarray | list[np.ndarray]:
        """Return the confidence: the probability of each pixel's class.

        Args:
            images: an image, a list of images, or a batch, as for a call.

        Returns:
            float32 `(height, width)` in [0, 1]; a list of these for a list; `(batch,
            height, width)` for a batch.

        Raises:
            OSError: if a file is missing.
            ValueError: if an image is invalid, as for a call.
        """
        return self._map(
            lambda batch: self._label_maps_and_confidence(batch)[1], images
        )

    def label_and_confidence(
        self, images: AnyImage | Sequence[AnyImage]
    ) -> tuple[np.ndarray | list[np.ndarray], np.ndarray | list[np.ndarray]]:
        """Return the label map and the confidence, computed together.

        Args:
            images: an image, a list of images, or a batch, as for a call.

        Returns:
            Class ids, uint8, and confidence, float32, both `(height, width)`; two lists
            of these for a list; `(batch, height, width)` for a batch.

        Raises:
            OSError: if a file is missing.
            ValueError: if an image is invalid, as for a call.
        """
        confidences = []

        def predict(batch: np.ndarray) -> np.ndarray:
            label_maps, confidence = self._label_maps_and_confidence(batch)
            confidences.append(confidence)
            return label_maps

        label_maps = self._map(predict, images)
        if isinstance(label_maps, list):
            return label_maps, [confidence[0] for confidence in confidences]
        confidence = np.concatenate(confidences)  # (N, H, W)
        return label_maps, confidence if label_maps.ndim == 3 else confidence[0]

    def probabilities(
        self, images: AnyImage | Sequence[AnyImage]
    ) -> np.ndarray | list[np.ndarray]:
        """Return the probability of each class at each pixel.

        Args:
            images: an image, a list of images, or a batch, as for a call.

        Returns:
            float32 `(height, width, num_classes)`, which sum to 1 at each pixel; a list
            of these for a list; `(batch, height, width, num_classes)` for a batch.

        Raises:
            OSError: if a file is missing.
            ValueError: if an image is invalid, as for a call.
        """
        _check_process()
        return self._map(self.predictor.probabilities, images)

    def overlay(
        self, image: AnyImage, label_map: np.ndarray | None = None, legend: bool = False
    ) -> np.ndarray:
        """Blend an image with the classes' colors.

        Args:
            image: one image.
            label_map: integer `(height, width)`; predicted when None.
            legend: add the names of the classes in the label map below the image.

        Returns:
            uint8 RGB `(height, width, 3)`; higher with a legend.

        Raises:
            OSError: if a file is missing.
            ValueError: if the image is invalid, as for a call, or the label map has
                another size or other ids than those of the classes and void.
        """
        batch = self._as_batch(image)
        rgb = batch[0]
        labels = np.asarray(
            self._label_maps(batch)[0] if label_map is None else label_map
        )
        if labels.shape != rgb.shape[:2]:
            raise ValueError(
                f"`label_map` must have the image's height and width, "
                f"{rgb.shape[:2]}. Received: label_map.shape={labels.shape}"
            )
        known = np.isin(
            labels, [*range(self.class_map.num_classes), self.class_map.void_id]
        )
        if labels.dtype.kind not in "ui" or not known.all():
            raise ValueError(
                f"`label_map` must have integers from 0 to "
                f"{self.class_map.num_classes - 1}, or {self.class_map.void_id} for "
                f"void. Received: {_describe(labels)} with values from "
                f"{labels.min()} to {labels.max()}"
            )
        draw = overlay_with_legend if legend else overlay
        return draw(rgb.astype("uint8"), labels, self.class_map)

    def __getstate__(self) -> dict[str, Any]:
        # The predictor has compiled functions, which can't be pickled, nor can models
        # of other runtimes than Keras: they are loaded again.
        state = {k: v for k, v in vars(self).items() if k != "predictor"}
        if not hasattr(self.model, "layers") and self._source is not None:
            state["model"] = None
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        _check_process()
        vars(self).update(state)
        if self.model is None and self._source is not None:
            self.model = load(**self._source).model
        self.predictor = make_predictor(self.model, self.options)

    def __repr__(self) -> str:
        names = self.class_map.names
        name = getattr(self.model, "name", None) or self.predictor.description
        return (
            f"<segmenter {name}: {len(names)} classes ({summarize(names, most=5)}), "
            f"size {self.options.size}>"
        )

    def _repr_html_(self) -> str:
        """Return the classes with their colors, for notebooks."""
        return html_with_classes(repr(self)[1:-1], self.class_map)

    def _label_maps(self, images: np.ndarray) -> np.ndarray:
        _check_process()
        if self.options.unknown_below == 0:  # confidence is not needed
            return self.predictor.label_maps(images)
        return self._label_maps_and_confidence(images)[0]

    def _label_maps_and_confidence(self, images):
        _check_process()
        label_maps, confidence = self.predictor.label_maps_and_confidence(images)
        if self.options.unknown_below > 0:
            label_maps = mark_unknown(
                label_maps, confidence, self.options.unknown_below, self.class_map
            )
        return label_maps, confidence

    def _map(self, predict: Callable[[np.ndarray], np.ndarray], images):
        if isinstance(images, list | tuple):
            # One by one: sizes may differ.
            return [predict(self._as_batch(image))[0] for image in images]
        if getattr(images, "ndim", None) == 4:  # an array or a tensor
            rgb = as_rgb(images, value_range=self.value_range)
            batches = range(0, len(rgb), _BATCH_SIZE)
            return np.concatenate(
                [predict(rgb[first : first + _BATCH_SIZE]) for first in batches]
            )
        return predict(self._as_batch(images))[0]

    def _as_batch(self, image: AnyImage) -> np.ndarray:
        """One image as a batch `(1, height, width, 3)`."""
        rgb = as_rgb(image, self.max_pixels, self.value_range)
        if rgb.ndim != 3:
            raise ValueError(f"{_EXPECTED}, not a batch. Received: {_describe(image)}")
        return rgb[None]


def load(
    name: str | PathLike = DEFAULT_NETWORK,
    *,
    tta: bool = False,
    dense: Dense = "upsampling",
    stride_factor: int | None = None,
    size: Scale = "auto",
    tile: Size | None = None,
    overlap: int | None = None,
    uncertainty: int = 0,
    temperature: float | None = None,
    unknown_below: float = 0.0,
    max_pixels: int = MAX_IMAGE_PIXELS,
    value_range: ValueRange | None = None,
    runtime: RuntimeName = "auto",
    precision: InferencePrecision = "auto",
    max_loss: float = 0.5,
) -> Segmenter:
    """Load a trained network, ready to label images.

    Args:
        name: "fcn8s-camvid", the bundled FCN-8s for CamVid's 11 classes of street
            scenes; or the folder of a run, a packed network or an exported network.
        tta: test-time augmentation: average the probabilities over five scales, 0.75 to
            1.75, of the image and of its mirror image. Takes about 17 times as long.
        dense: "upsampling" by the network's own layers, or "shift-and-stitch": logits
            of every pixel from shifted images.
        stride_factor: number of shifts along each axis for shift-and-stitch, a divisor
            of the network's stride; None for the stride itself.
        size: inference size. "auto" resizes images to the training size of the network,
            by their shorter side, unless `tile` is given; a number is the shorter side,
            pixels; "native" leaves images as they are. Results have the image's own
            size.
        tile: height and width of tiles, pixels, at least 32: images are processed tile
            by tile, so that memory does not grow with the image's height. None to
            process images of up to 4 million pixels whole, larger ones in tiles of
            1024x1024.
        overlap: pixels that two neighboring tiles share, less than the tile's shorter
            side; None for 416, or half the tile's shorter side if that is less. From
            404, the receptive field, the result is that of the whole image.
        uncertainty: number of passes of Monte-Carlo dropout, whose probabilities are
            averaged; each takes as long as a prediction. 0 for none.
        temperature: divides the logits before the softmax, and changes no label; None
            for the temperature that the network was calibrated with, or 1.
        unknown_below: probability below which a pixel is labeled void; 0 labels all.
        max_pixels: maximum number of pixels of a file or a Pillow image.
        value_range: the values that become 0 and 255, as for `Segmenter`; None for that
            of the network's training.
        runtime: "tensorflow" or "jax" for Keras on that backend; "openvino" or
            "onnxruntime" for a network that is converted once and then read from a
            cache without TensorFlow. "auto" for OpenVINO on a CPU if it is installed,
            and for Keras on a GPU, for `tta`, `dense` and `uncertainty`, or if
            KERAS_BACKEND is set.
        precision: "auto" for the fastest type of the hardware that needs no
            calibration; "int8" for OpenVINO or ONNX Runtime in int8, calibrated once
            with the training images of a run, or with rendered streets for the bundled
            network.
        max_loss: points of mean IoU, out of 100, that int8 may lose on the validation
            images.

    Returns:
        The segmenter. Its `model` is the Keras model, or an `ExportedModel` in another
        runtime. On a GPU that has not been used before, memory is allocated as it
        is needed.

    Raises:
        FileNotFoundError: if there is no such network.
        ValueError: if the network is damaged, an argument is out of range, arguments
            cannot be combined, the runtime is not installed, or int8 loses more than
            `max_loss`.
        RuntimeError: in a fork of a process that has used a network.
    """
    arguments = dict(locals())
    options = PredictionOptions(**{n: arguments[n] for n in _OPTIONS})
    _check_process()
    runtime_options = RuntimeOptions(runtime, precision, max_loss)
    network = find_network(name, exported=True)
    selection = select_runtime(network, runtime_options, options.special_modes)
    segmenter = Segmenter(
        selection.load(),
        network.read_class_map(),
        max_pixels=max_pixels,
        **dataclasses.asdict(resolve_options(options, network)),
    )
    segmenter._source = arguments
    return segmenter


_EXPECTED = "An image must be a path, a Pillow image or an array (height, width, 3)"


def as_rgb(
    image: AnyImage,
    max_pixels: int = MAX_IMAGE_PIXELS,
    value_range: ValueRange = "auto",
) -> np.ndarray:
    """Return an image as RGB values.

    Args:
        image: a path, a Pillow image, or an array `(height, width)`, `(height, width,
            channels)` or `(batch, height, width, channels)` with 1, 3 or 4 channels.
        max_pixels: maximum number of pixels of a file or a Pillow image.
        value_range: as for `Segmenter`.

    Returns:
        uint8 or float32 `(..., height, width, 3)` in [0, 255].

    Raises:
        OSError: if the file is missing.
        ValueError: if it is not an image, has too many pixels, or its value range is
            not known, as for floats that are all at most 1.
    """
    if isinstance(image, str | PathLike):
        return read_image(Path(image), max_pixels, value_range)
    if isinstance(image, Image.Image):
        if 0 in image.size:
            raise ValueError(f"{_EXPECTED}. Received: a Pillow image of no pixels")
        check_pixels("An image", image.size, max_pixels)
        return as_image(scaled(values_of(image)[0], value_range, "An image"))
    if isinstance(image, list | tuple):  # NumPy would convert nested lists of numbers
        raise ValueError(f"{_EXPECTED}. Received: {_describe(image)}")
    array = np.asarray(image)
    array = array[..., None] if array.ndim == 2 else array  # (H, W, 1)
    if array.ndim not in (3, 4) or array.shape[-1] not in (1, 3, 4) or not array.size:
        raise ValueError(f"{_EXPECTED}. Received: {_describe(image)}")
    if array.dtype.kind not in "uif":
        raise ValueError(
            "An image must have numbers from 0 to 255, usually uint8. "
            f"Received: {_describe(image)}"
        )
    # Floats of [0, 1], as many libraries have, would be black to the network.
    array = scaled(array[..., :3], value_range, "An image")  # without alpha
    return np.repeat(array, 3, axis=-1) if array.shape[-1] == 1 else array.copy()


def _describe(value):
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    return type(value).__name__
