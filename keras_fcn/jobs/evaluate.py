"""Evaluation from Python."""

import dataclasses
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Literal

from keras_fcn.config import DEFAULT_NETWORK
from keras_fcn.evaluation.data import data_config, load_data
from keras_fcn.evaluation.evaluate import evaluate as evaluate_split
from keras_fcn.models.devices import allow_memory_growth
from keras_fcn.prediction.options import Dense, PredictionOptions
from keras_fcn.prediction.predictor import make_predictor, resolve_options
from keras_fcn.runs.bundled import find_network
from keras_fcn.runs.folder import RunFolder


def evaluate(
    model: str | PathLike = DEFAULT_NETWORK,
    split: str = "test",
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
    **data: Any,
) -> dict[str, Any]:
    """Compute the scores of a network on a split, as `keras-fcn evaluate` does.

    >>> report = keras_fcn.evaluate("runs/camvid-8s", split="test")
    >>> report["mean_iou"], report["per_class_iou"]["car"]

    Args:
        model: a `Run`, its folder, a packed or an exported network, or the name of a
            bundled one.
        split: "train", "val" or "test".
        output_dir: folder for scores, confusion matrix and overlays; None writes them
            to `evaluation-SPLIT` in the run, or to `evaluations/NAME-DATASET-SPLIT` for
            other networks.
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
    allow_memory_growth()
    network = find_network(fspath(model), exported=True)
    config = data_config(network, data)
    is_scaled = config.size is not None
    # The images keep their size, so that logits are compared with the labels' pixels.
    dataset = load_data(network, dataclasses.replace(config, size=None), (split,))
    options = PredictionOptions(
        tta=tta,
        dense=dense,
        stride_factor=stride_factor,
        size=size or ("auto" if is_scaled else "native"),
        tile=tile,
        overlap=overlap,
        uncertainty=uncertainty,
        temperature=temperature,
    )
    options = resolve_options(options, network)
    if output_dir is None:
        if isinstance(network, RunFolder):
            output_dir = network.path / f"evaluation-{split}"
        else:
            output_dir = f"evaluations/{network.name}-{config.dataset}-{split}"
    predictor = make_predictor(network.load_model(), options)
    return evaluate_split(
        predictor.label_maps_and_confidence,
        dataset,
        split,
        Path(output_dir),
        batch_size=batch_size,
        prediction=predictor.description,
        temperature=options.temperature or 1.0,
    )
