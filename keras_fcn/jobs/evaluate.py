"""Evaluation from Python."""

import logging
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from keras_fcn.config import DEFAULT_NETWORK, TrainingConfig
from keras_fcn.conversion.options import InferencePrecision, RuntimeName, RuntimeOptions
from keras_fcn.conversion.selection import Selection, select_runtime
from keras_fcn.datasets.dataset import SegmentationDataset
from keras_fcn.datasets.folder.folder_data import MissingSplit
from keras_fcn.errors import check_choice
from keras_fcn.evaluation.data import data_config, load_data
from keras_fcn.evaluation.evaluate import evaluate as evaluate_split
from keras_fcn.models.devices import allow_memory_growth
from keras_fcn.options import ImageScale
from keras_fcn.prediction.options import Dense, PredictionOptions
from keras_fcn.prediction.predictor import make_predictor, resolve_options
from keras_fcn.runs.bundled import find_network
from keras_fcn.runs.folder import RunFolder
from keras_fcn.runs.network_folder import NetworkFolder

logger = logging.getLogger(__name__)

# A smaller ratio of the sizes needs no hint: the random scale of the training, 0.5 to
# 1.5, contains it.
_SAME_SCALE = 1.25


def evaluate(
    model: str | PathLike = DEFAULT_NETWORK,
    split: Literal["train", "val", "test"] | None = None,
    *,
    output_dir: str | Path | None = None,
    batch_size: int = 4,
    tta: bool = False,
    dense: Dense = "upsampling",
    stride_factor: int | None = None,
    size: Literal["auto", "native"] | int | None = None,
    tile: tuple[int, int] | None = None,
    overlap: int | None = None,
    uncertainty: int = 0,
    temperature: float | None = None,
    runtime: RuntimeName = "auto",
    precision: InferencePrecision = "auto",
    max_loss: float = RuntimeOptions.max_loss,
    **data: Any,
) -> dict[str, Any]:
    """Compute the scores of a network on a split, as `keras-fcn evaluate` does.

    Examples:
        >>> report = keras_fcn.evaluate("runs/camvid-8s", split="test")
        >>> report["mean_iou"], report["per_class_iou"]["car"]

    Args:
        model: a `Run`, its folder, a packed or an exported network, or the name of a
            bundled one.
        split: "train", "val" or "test"; None for "test", or "val" with a warning if the
            data set has no test split.
        output_dir: folder for scores, confusion matrix and overlays; None writes them
            to `evaluation-SPLIT` in the run, or to `evaluations/NAME-DATASET-SPLIT` for
            other networks, with a suffix for other data or other inference options.
        batch_size: images that are predicted together.
        tta: as for `keras_fcn.load`.
        dense: as for `keras_fcn.load`.
        stride_factor: as for `keras_fcn.load`.
        size: as for `keras_fcn.load`; None for the images' own size, or the training
            size of a network that was trained with `size`.
        tile: as for `keras_fcn.load`.
        overlap: as for `keras_fcn.load`.
        uncertainty: as for `keras_fcn.load`.
        temperature: as for `keras_fcn.load`.
        runtime: as for `keras_fcn.load`.
        precision: as for `keras_fcn.load`.
        max_loss: as for `keras_fcn.load`.
        data: another data set than that of the training: `dataset`, `data_dir`, and
            other options of the data of `keras_fcn.train`.

    Returns:
        `pixel_accuracy`, `mean_accuracy`, `mean_iou`, `frequency_weighted_iou`, shares
        in [0, 1]; `per_class_iou` and `per_class_accuracy` by name; `confusion_matrix`,
        `calibration` and a description of the data. Scores of classes that do not occur
        are None.

    Raises:
        FileNotFoundError: if there is no such network or split.
        ValueError: if an argument is not usable, or the data have other classes.
    """
    if split is not None:
        check_choice("split", split, ("train", "val", "test"))
    if not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(
            f"`batch_size` must be a positive integer. Received: {batch_size=}"
        )
    options = PredictionOptions(
        tta=tta,
        dense=dense,
        stride_factor=stride_factor,
        tile=tile,
        overlap=overlap,
        uncertainty=uncertainty,
        temperature=temperature,
    )
    runtime_options = RuntimeOptions(runtime, precision, max_loss)
    network = find_network(model, exported=True)
    return evaluate_selected(
        select_runtime(network, runtime_options, options.special_modes),
        data_config(network, data),
        split,
        options,
        size,
        None if output_dir is None else Path(output_dir),
        batch_size,
    )


def evaluate_selected(
    selection: Selection,
    config: TrainingConfig,
    split: str | None,
    options: PredictionOptions,
    size: ImageScale | None,
    output_dir: Path | None,
    batch_size: int,
) -> dict[str, Any]:
    """Compute the scores of a network in a runtime that has been selected.

    Args:
        selection: the network and its runtime.
        config: selects the data set.
        split: as for `evaluate`.
        options: how the network is applied; `size` replaces theirs.
        size: as for `evaluate`.
        output_dir: as for `evaluate`.
        batch_size: as for `evaluate`.

    Returns:
        As `evaluate`.

    Raises:
        OSError, ValueError: as `evaluate`.
    """
    allow_memory_growth()
    network = selection.network
    # As the validation of the training, whose scores are compared with these.
    usual: ImageScale = "native" if config.size is None else "auto"
    options = replace(options, size=size or usual)
    # The images keep their size, so that logits are compared with the labels' pixels.
    dataset, split = _load_split(network, replace(config, size=None), split)
    if options.size == "native" and not network.scales_images:
        _warn_of_scale(dataset.split(split).median_shorter_side, network)
    if output_dir is None:
        suffix = split + _folder_suffix(options, usual, selection.options)
        if not isinstance(network, RunFolder):  # its files are not changed
            output_dir = Path(f"evaluations/{network.name}-{config.dataset}-{suffix}")
        elif config.dataset == network.read_config().dataset:
            output_dir = network.path / f"evaluation-{suffix}"
        else:
            output_dir = network.path / f"evaluation-{config.dataset}-{suffix}"
    options = resolve_options(options, network)
    predictor = make_predictor(selection.load(), options)
    return evaluate_split(
        predictor.label_maps_and_confidence,
        dataset,
        split,
        output_dir,
        batch_size=batch_size,
        prediction=predictor.description,
        temperature=options.temperature or 1.0,
    )


def _load_split(
    network: NetworkFolder, config: TrainingConfig, split: str | None
) -> tuple[SegmentationDataset, str]:
    """Return the data set and the split, val if None is given and there is no test."""
    try:
        return load_data(network, config, (split or "test",)), split or "test"
    except MissingSplit:
        if split is not None:
            raise
    logger.warning(
        "There is no test split: using val, on which the best epoch was selected"
    )
    return load_data(network, config, ("val",)), "val"


def _warn_of_scale(side: int, network: NetworkFolder) -> None:
    trained = network.read_training_size() or side
    if not 1 / _SAME_SCALE < side / trained < _SAME_SCALE:
        logger.warning(
            "The shorter side of the images is %d pixels, that of the training images "
            "%d: use `size` auto to resize them to the training size",
            side,
            trained,
        )


def _folder_suffix(
    options: PredictionOptions, usual: ImageScale, runtime: RuntimeOptions
) -> str:
    """Return the inference options that differ from their defaults."""
    suffix = ""
    if options.tta:
        suffix += "-tta"
    elif options.dense != "upsampling":
        suffix += f"-{options.dense}"
        if options.stride_factor is not None:
            suffix += f"-{options.stride_factor}"
    if options.uncertainty:
        suffix += f"-uncertainty-{options.uncertainty}"
    if options.temperature is not None:
        suffix += f"-temperature-{options.temperature:g}"
    if runtime.runtime != "auto":
        suffix += f"-{runtime.runtime}"
    if runtime.precision != "auto":
        suffix += f"-{runtime.precision}"
    if options.size != usual:
        suffix += f"-size-{options.size}"
    if options.tile is not None:
        suffix += f"-tile-{options.tile[0]}x{options.tile[1]}"
        if options.overlap is not None:
            suffix += f"-overlap-{options.overlap}"
    return suffix
