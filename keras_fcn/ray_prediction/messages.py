"""What the workers are told, and what they answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from keras_fcn.prediction.pictures import Outputs


class Image(NamedTuple):
    """An image to predict.

    Attributes:
        source: its absolute path or URL.
        stem: what its outputs' names begin with, below the output's folder.
    """

    source: str
    stem: str


class Row(NamedTuple):
    """What came of an image: a row of the manifest.

    Attributes:
        path: its absolute path or URL.
        frame: number of the image in a file that has several; None in others.
        output: name of the label map below the output's folder; None where there is
            none.
        error: why there is none, on one line.
        height: pixels; so is the next.
        width: likewise.
        seconds: to read, predict and write it.
        confidence: mean over the pixels, in [0, 1], where it was asked for.
        shares: of the pixels in each class, the last one void.
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
    """What all workers are told.

    Attributes:
        model: name or absolute path of the network.
        look: further arguments of `keras_fcn.prediction.segmenter.load`.
        outputs: what is written of an image.
        max_pixels: pixels that an image may have.
        output_dir: absolute path or URL, without options.
        roots: as in `Sources`, with that of `output_dir`.
        num_threads: that a worker computes with; None for as many as there are cores.
        lock: text of a file that a folder which all share has, by its path.
    """

    model: str
    look: Mapping[str, Any]
    outputs: Outputs
    max_pixels: int
    output_dir: str
    roots: Mapping[str, str]
    num_threads: int | None = None
    lock: tuple[str, str] | None = None


@dataclass(frozen=True)
class Ready:
    """What a worker says when it has loaded the network.

    Attributes:
        host: the machine's name.
        version: of keras_fcn there.
        fingerprint: of the network there.
        class_names: of the network, without void.
    """

    host: str
    version: str
    fingerprint: str
    class_names: tuple[str, ...]
