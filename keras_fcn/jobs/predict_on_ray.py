"""Prediction on a Ray cluster from Python."""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from keras_fcn.config import DEFAULT_NETWORK, MAX_IMAGE_PIXELS
from keras_fcn.prediction.jobs import check_output_dir
from keras_fcn.prediction.options import PredictionOptions
from keras_fcn.prediction.outputs import Outputs


@dataclass(frozen=True)
class RayPrediction:
    """A prediction on a cluster that has ended.

    Attributes:
        output_dir: absolute path or URL of the outputs.
        manifest: path or URL of the Parquet file with a row for each image.
        num_images: number of images, including those that were done before.
        num_failed: number of images with an error in their row.
    """

    output_dir: str
    manifest: str
    num_images: int
    num_failed: int


def predict_on_ray(
    images: str | PathLike | Iterable[str | PathLike],
    output_dir: str | PathLike = "predictions",
    model: str | PathLike = DEFAULT_NETWORK,
    *,
    address: str = "auto",
    workers: int | tuple[int, int] | None = None,
    gpus_per_worker: float | None = None,
    list_file: str | None = None,
    outputs: Outputs = Outputs(),
    max_pixels: int = MAX_IMAGE_PIXELS,
    **options: Any,
) -> RayPrediction:
    """Predict images on a Ray cluster, as `keras-fcn predict` with `ray` does.

    Writes the label map of each image and a manifest; the same call resumes an
    interrupted prediction. Requires the extra `ray`.

    Examples:
        >>> done = keras_fcn.predict_on_ray("photographs", "labels", workers=2)
        >>> pandas.read_parquet(done.manifest).share_road.mean()

    Args:
        images: path, glob or URL (`s3://bucket/folder`) of images or folders, or
            several of these.
        output_dir: folder for the outputs, a path or a URL; created if missing. On
            several machines it must be shared by all of them.
        model: as for `load`. Its path must exist on all machines.
        address: HOST:PORT of a cluster; "local" for this machine alone; "auto" for the
            cluster in RAY_ADDRESS, or else one that runs on this machine, or else
            "local". A connection by `ray.init` is used if there is one.
        workers: number of workers, each with a copy of the network; or the smallest and
            largest number, between which Ray Data chooses. None for one per GPU, or one
            per machine if there are no GPUs.
        gpus_per_worker: 1, a fraction so that workers share a GPU, or 0; None for the
            number of GPUs divided by the number of workers, at most 1.
        list_file: text file with a path or URL on each line; "-" for standard input.
        outputs: files that are written for each image: label map, overlay, confidence.
        max_pixels: maximum number of pixels of an image; larger ones are errors.
        **options: how the network is applied to the images, as for `load`: `tta`,
            `size`, `tile` and so on.

    Returns:
        The manifest's path, and the number of images.

    Raises:
        ValueError: if Ray is not installed, arguments are not usable, or `output_dir`
            contains the prediction of another network or with other options, or another
            process is predicting into it.
        FileNotFoundError: if an input has no images, or a network is missing.
        ConnectionError: if nothing answers at the address.
        TimeoutError: if the cluster has no free resources.
        OSError: if an output cannot be written.
    """
    if missing := [n for n in ("ray", "pyarrow", "fsspec", "grpc") if not find_spec(n)]:
        raise ValueError(
            f"`ray` requires {missing[0]}, which is not installed: "
            'pip install "keras-fcn[ray]"'
        )
    from keras_fcn.ray.image_writer import Settings
    from keras_fcn.ray.predict import predict_by_workers
    from keras_fcn.ray.sources import find_sources
    from keras_fcn.ray.storage import absolute, child, is_url, without_options

    output_dir = absolute(fspath(output_dir))
    if not is_url(output_dir):
        check_output_dir(Path(output_dir))
    inputs = [images] if isinstance(images, str | PathLike) else images
    sources = find_sources([fspath(each) for each in inputs], output_dir, list_file)
    num_images = len(sources)
    settings = Settings(
        fspath(model),
        PredictionOptions(**{"size": "auto", **options}),
        outputs,
        max_pixels,
        output_dir,
    )
    num_failed = predict_by_workers(
        sources, settings, address, workers, gpus_per_worker
    )
    manifest = without_options(child(output_dir, "manifest.parquet"))
    return RayPrediction(output_dir, manifest, num_images, num_failed)
