"""Temperature scaling: fits a network's temperature and stores it with the network."""

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

    Predicted classes do not change; probabilities and confidence do, whenever the
    network is loaded or exported afterwards.

    Args:
        network: a run, or a packed or bundled network; its `calibration.json` is
            replaced.
        dataset: data with its classes and the split "val".
        batch_size: images in a batch if all have one size; otherwise it is 1.

    Returns:
        The content of the file: the report of `fit_temperature`, and the `dataset`,
        `split` and `val_pattern` on which it was fitted.

    Raises:
        OSError, ValueError: if the network is damaged, its file can't be written, or
            nothing is labeled.
    """
    logits = logits_model(network.load_model())
    report = {
        "dataset": dataset.name,
        "split": "val",
        "val_pattern": dataset.val_pattern,
        **fit_temperature(
            logits.predict_on_batch,
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
