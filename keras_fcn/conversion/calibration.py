"""Images that calibrate a network in int8, and that measure what it loses."""

import numpy as np

from keras_fcn.config import TrainingConfig
from keras_fcn.conversion.quantize import Calibration
from keras_fcn.datasets.camvid import CLASS_MAP
from keras_fcn.datasets.streets import render_streets
from keras_fcn.evaluation.data import load_data
from keras_fcn.evaluation.evaluate import quick_scores
from keras_fcn.images.scale import scaled_size
from keras_fcn.metrics.confusion_matrix import confusion_matrix_of, segmentation_scores
from keras_fcn.runs.folder import RunFolder
from keras_fcn.runs.network_folder import NetworkFolder

NUM_CALIBRATION = 64  # images; more change nothing, and each takes a second
NUM_STREETS = 32  # validation scenes


def usual_calibration(network: NetworkFolder) -> Calibration:
    """Return the data that calibrate a network without further options.

    Args:
        network: a run, which is calibrated with its own training and validation
            images; or a packed network, with rendered streets if it has their classes.

    Raises:
        ValueError: if the data set of the network can't be read; names the command that
            takes another one.
    """
    if (
        not isinstance(network, RunFolder)
        and network.read_class_map().names == CLASS_MAP.names
    ):
        return street_calibration(network)
    config = network.read_config()
    try:
        return load_calibration(network, config, NUM_CALIBRATION)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"`precision` int8 requires the training and validation images of "
            f"{network.path} ({error}): quantize it with `keras-fcn export`, which "
            "takes another data set, and use the export as the model"
        ) from error


def load_calibration(
    network: NetworkFolder, config: TrainingConfig, num_images: int
) -> Calibration:
    """Return calibration by images of a data set.

    Args:
        network: its classes are required.
        config: selects the data set, and the size of its images.
        num_images: maximum number of training images.

    Raises:
        OSError: if the data set can't be read.
        ValueError: if it has other classes.
    """
    dataset = load_data(network, config, ("train", "val"))
    train = dataset.split("train")
    # Every `step`-th image, because neighbors of a video hardly differ.
    step = -(-train.num_images // num_images)
    images = train.examples.shard(step, 0).map(lambda example: example["image"])
    return Calibration(
        list(images.as_numpy_iterator()),
        lambda label_maps: quick_scores(label_maps, dataset, "val"),
        config.dataset,
    )


def street_calibration(network: NetworkFolder) -> Calibration:
    """Return calibration by rendered streets, of the size of the training images.

    Args:
        network: a network for CamVid's classes.
    """
    size = scaled_size(network.read_config().image_size, network.read_training_size())
    validation = render_streets("val", NUM_STREETS, size)
    num_classes = CLASS_MAP.num_classes

    def score(label_maps):
        matrix = np.zeros((num_classes, num_classes), dtype="int64")
        for image, labels in validation:
            predicted = label_maps(image[None])[0]
            matrix += confusion_matrix_of(
                labels, predicted, num_classes, CLASS_MAP.void_id
            )
        scores = segmentation_scores(matrix)
        return {name: scores[name] for name in ("mean_iou", "pixel_accuracy")}

    train = render_streets("train", NUM_CALIBRATION, size)
    return Calibration([image for image, _ in train], score, "streets")
