"""What the driver and the workers send to each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from keras_fcn.prediction.options import PredictionOptions
from keras_fcn.prediction.outputs import Outputs


class Image(NamedTuple):
    """An image to predict.

    Attributes:
        source: its absolute path or URL.
        stem: stem of its outputs, relative to the output folder.
    """

    source: str
    stem: str


class Row(NamedTuple):
    """The result of an image: a row of the manifest.

    Attributes:
        path: absolute path or URL of the image.
        frame: index of the image in a file that has several; None in others.
        output: path of the label map relative to the output folder; None after an
            error.
        error: the error in one line; None if there is a label map.
        height: height of the image, pixels.
        width: width of the image, pixels.
        seconds: time to read, predict and write the image.
        confidence: mean over the pixels, in [0, 1], if requested.
        shares: share of the pixels in each class, with void as the last one.
    """

    path: str
    frame: int | None = None
    output: str | None = None
    error: str | None = None
    height: int | None = None
    width: int | None = None
    seconds: float | None = None
    confidence: float | None = None
    shares: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Settings:
    """Settings of all workers.

    Attributes:
        model: name or absolute path of the network.
        options: how the network is applied to the images.
        outputs: the files to write for each image.
        max_pixels: limit for an image.
        output_dir: absolute path or URL, without options of the file system.
        roots: as in `Sources`, and that of `output_dir`.
        num_threads: threads of a worker; None for the number of cores.
        lock: path and content of a lock file in a shared output folder.
    """

    model: str
    options: PredictionOptions
    outputs: Outputs
    max_pixels: int
    output_dir: str
    roots: Mapping[str, str]
    num_threads: int | None = None
    lock: tuple[str, str] | None = None


@dataclass(frozen=True)
class Ready:
    """Description of a worker that has loaded the network.

    Attributes:
        host: name of its machine.
        version: version of keras_fcn on the machine.
        fingerprint: checksum of the network on the machine.
        class_names: classes of the network, without void.
    """

    host: str
    version: str
    fingerprint: str
    class_names: tuple[str, ...]
