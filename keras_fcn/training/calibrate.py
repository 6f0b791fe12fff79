"""A network's temperature, fitted on validation images and stored with it."""

import logging

from keras_fcn.datasets.dataset import SegmentationDataset
from keras_fcn.evaluation.calibration import fit_temperature
from keras_fcn.models.inference import logits_model
from keras_fcn.runs.network_folder import NetworkFolder
from keras_fcn.storage.atomic import write_json

logger = logging.getLogger(__name__)


def calibrate(
    network: NetworkFolder, dataset: SegmentationDataset, batch_size: int = 4
) -> dict:
    """Fit a network's temperature on the validation split, and write it.

    Labels stay as they are; probabilities and confidence change wherever the network is
    loaded or exported from now on.

    Args:
        network: a run, or a packed or bundled network; its `calibration.json` is
            written anew.
        dataset: data of its classes, with the split "val".
        batch_size: images at a time, where all are of one size.

    Returns:
        What is written: the report of `fit_temperature`, and the `dataset`, `split` and
        `val_pattern` that it was fitted on.

    Raises:
        OSError, ValueError: if the network is damaged, its file can't be written, or
            nothing is labelled.
    """
    scores = logits_model(network.load_model())
    report = {
        "dataset": dataset.name,
        "split": "val",
        "val_pattern": dataset.val_pattern,
        **fit_temperature(
            scores.predict_on_batch,
            dataset.split("val"),
            network.read_class_map(),
            batch_size,
        ),
    }
    write_json(network.calibration_file, report)
    logger.info(
        "Temperature %.2f: expected calibration error on val %.1f %%, without it "
        "%.1f %%",
        report["temperature"],
        100 * report["expected_calibration_error"]["after"],
        100 * report["expected_calibration_error"]["before"],
    )
    return report
