"""Export from Python."""

from os import PathLike
from pathlib import Path
from typing import Any, Literal

from keras_fcn.config import DEFAULT_NETWORK
from keras_fcn.conversion.calibration import load_calibration
from keras_fcn.evaluation.data import data_config
from keras_fcn.runs.bundled import find_network
from keras_fcn.serving.export import export as export_network
from keras_fcn.serving.options import ExportFormat, ExportOptions, ExportPrecision


def export(
    model: str | PathLike = DEFAULT_NETWORK,
    output_dir: str | Path = "export",
    *,
    format: ExportFormat = "savedmodel",
    precision: ExportPrecision = "float32",
    max_pixels: int | None = None,
    size: Literal["auto", "native"] | int = "auto",
    num_calibration: int = ExportOptions.num_calibration,
    max_loss: float = ExportOptions.max_loss,
    **data: Any,
) -> Path:
    """Export a network, as `keras-fcn export` does.

    Examples:
        >>> keras_fcn.export("runs/camvid-8s", "export/fcn")
        PosixPath('export/fcn/1')

    Args:
        model: a `Run`, its folder, a packed network, or the name of a bundled one.
        output_dir: folder of the versions; created if missing.
        format: "savedmodel", "onnx", "litert" or "openvino".
        precision: "float32"; "bfloat16" for a SavedModel; "float16" or "int8" for the
            other formats.
        max_pixels: maximum number of pixels of an image sent to a SavedModel.
        size: inference size: pixels of the shorter side, "auto" for the training size,
            or "native" for the images' own size.
        num_calibration: int8: number of training images that calibrate the ranges.
        max_loss: int8: maximum drop in validation mean IoU, percentage points.
        data: int8: other data than those of the training: `dataset`, `data_dir`, and
            other options of the data of `keras_fcn.train`.

    Returns:
        The new version's folder.

    Raises:
        FileNotFoundError: if there is no such network.
        ValueError: if arguments are not usable or cannot be combined.
        OSError: if the export can't be written.
    """
    options = ExportOptions(
        format, precision, max_pixels, size, num_calibration, max_loss
    )
    network = find_network(model)
    calibration = None
    if precision == "int8":
        config = data_config(network, data)
        try:
            calibration = load_calibration(network, config, num_calibration)
        except OSError as error:
            # A user may not expect that an export reads a data set.
            raise OSError(
                "`precision` int8 requires the training and validation images of "
                f"{config.dataset} (`data_dir`): {error}"
            ) from error
    elif data:
        raise ValueError(f"`{min(data)}` requires `precision` int8")
    return export_network(network, Path(output_dir), options, calibration)
