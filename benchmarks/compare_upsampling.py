"""Compare upsampling methods on streets: `python benchmarks/compare_upsampling.py`.

Trains one network for each method, with the same initial weights and random numbers,
and prints parameters, time, scores, and scores near the edges between classes.
"""

import dataclasses
import logging
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_fcn.commands.command_line import Command
from keras_fcn.commands.flags import add_flag, flag_type
from keras_fcn.config import UPSAMPLING, TrainingConfig, Variant
from keras_fcn.datasets.dataset import SegmentationDataset
from keras_fcn.datasets.loading import load_dataset
from keras_fcn.evaluation.predictions import predict_split
from keras_fcn.evaluation.trimap import trimap
from keras_fcn.metrics.confusion_matrix import (
    confusion_matrix_of,
    segmentation_scores,
)
from keras_fcn.models.inference import prediction_model
from keras_fcn.options import PositiveInt
from keras_fcn.prediction.predictor import make_predictor
from keras_fcn.runs.folder import RunFolder
from keras_fcn.runs.names import start_name
from keras_fcn.training.resolve import follow_start
from keras_fcn.training.train import resume, train

logger = logging.getLogger(__name__)

TRIMAP_WIDTH = 3  # pixels on either side of an edge
_TIMED_ROUNDS = 10


@dataclass(frozen=True)
class Comparison:
    """Results of a method.

    Attributes:
        method: name of the method.
        num_decoder_parameters: parameters of the score and upsampling layers.
        milliseconds: median time to predict one image.
        mean_iou: mean IoU of the test images, in [0, 1].
        pixel_accuracy: pixel accuracy of the test images.
        edge_accuracy: pixel accuracy within `TRIMAP_WIDTH` pixels of an edge.
        edge_mean_iou: mean IoU of the same pixels.
    """

    method: str
    num_decoder_parameters: int
    milliseconds: float
    mean_iou: float
    pixel_accuracy: float
    edge_accuracy: float
    edge_mean_iou: float


def compare(config: TrainingConfig, run_dir: Path) -> list[Comparison]:
    """Train and score a network for each method.

    Existing runs are resumed if they are not finished.

    Args:
        config: configuration of the runs; `upsampling` is replaced.
        run_dir: folder of the runs, one for each method.

    Returns:
        One comparison for each method, in the order of `UPSAMPLING`.

    Raises:
        ValueError, OSError: as `train`; and if an existing run has another
            configuration.
    """
    networks = {}
    for method in UPSAMPLING:
        logger.info("Upsampling: %s", method)
        run = _run_of(method, config, run_dir / method)
        networks[method] = run.load_model()
    dataset = load_dataset(config, ("test",))
    milliseconds = _time_side_by_side(networks, config.image_size)
    return [
        _score(method, network, dataset, milliseconds[method])
        for method, network in networks.items()
    ]


def _run_of(method, config, path):
    config = dataclasses.replace(config, upsampling=method)
    if not (path / "config.json").is_file():
        return train(config, path)
    run = RunFolder.open(path)
    found = run.read_config()
    if found != dataclasses.replace(config, precision=found.precision):
        raise ValueError(f"{path} is a run with other settings: give another `run_dir`")
    is_finished = run.read_checkpoint().epoch == found.epochs
    return run if is_finished else resume(path)


def _time_side_by_side(networks, size):
    """Median milliseconds per image; taking turns spreads other load evenly."""
    image = np.random.default_rng(0).integers(0, 256, (1, *size, 3)).astype("uint8")
    predictors = {
        method: prediction_model(network).predict_on_batch
        for method, network in networks.items()
    }
    seconds = {method: [] for method in networks}
    for timed in range(_TIMED_ROUNDS + 1):
        for method, predict in predictors.items():
            started = time.perf_counter()
            np.asarray(predict(image))
            if timed:  # the first call compiles
                seconds[method].append(time.perf_counter() - started)
    return {method: 1000 * float(np.median(s)) for method, s in seconds.items()}


def _score(method, network, dataset: SegmentationDataset, milliseconds):
    class_map = dataset.class_map
    whole = np.zeros((class_map.num_classes,) * 2, dtype="int64")
    near_edges = whole.copy()
    predict = make_predictor(network).label_maps_and_confidence
    for result in predict_split(predict, dataset.split("test"), class_map):
        whole += result.confusion_matrix
        is_near = trimap(result.label_map, class_map.void_id, TRIMAP_WIDTH)
        near_edges += confusion_matrix_of(
            np.where(is_near, result.label_map, class_map.void_id),
            result.prediction,
            class_map.num_classes,
            class_map.void_id,
        )
    scores, edge_scores = segmentation_scores(whole), segmentation_scores(near_edges)
    decoder = (
        layer
        for layer in network.layers
        if layer.name.startswith(("score_", "upscore"))
    )
    return Comparison(
        method,
        sum(layer.count_params() for layer in decoder),
        milliseconds,
        scores["mean_iou"],
        scores["pixel_accuracy"],
        edge_scores["pixel_accuracy"],
        edge_scores["mean_iou"],
    )


def format_table(comparisons: list[Comparison]) -> str:
    """Format comparisons as a table."""
    lines = [
        f"{'':<16}{'decoder':>12}{'ms an':>8}{'mean':>8}{'pixel':>8}"
        f"{'edge':>8}{'edge':>8}",
        f"{'upsampling':<16}{'parameters':>12}{'image':>8}{'IoU':>8}{'acc.':>8}"
        f"{'acc.':>8}{'IoU':>8}",
    ]
    for row in comparisons:
        lines.append(
            f"{row.method:<16}{row.num_decoder_parameters:>12,}{row.milliseconds:>8.0f}"
            f"{row.mean_iou:>8.1%}{row.pixel_accuracy:>8.1%}"
            f"{row.edge_accuracy:>8.1%}{row.edge_mean_iou:>8.1%}"
        )
    lines.append(f"edge: pixels up to {TRIMAP_WIDTH} from an edge between two classes")
    return "\n".join(lines)


def add_arguments(parser):
    """Add the flags."""
    add_flag(parser, "--variant", Variant, "variant of the network", "8s", "V")
    parser.add_argument(
        "--epochs",
        type=flag_type(PositiveInt),
        default=3,
        metavar="N",
        help="epochs of each training",
    )
    parser.add_argument(
        "--num-images",
        type=flag_type(PositiveInt),
        default=120,
        metavar="N",
        help="training images of streets",
    )
    parser.add_argument(
        "--run-dir",
        type=Path,
        default=Path("runs/compare-upsampling"),
        metavar="DIR",
        help="folder of the runs; finished runs are not trained again",
    )


def work(arguments, given):
    """Train, measure and print the table."""
    config = TrainingConfig(
        dataset="streets",
        num_images=arguments.num_images,
        image_size=(192, 256),
        variant=arguments.variant,
        init_from=start_name("pretrained"),
        freeze_blocks=2,
        epochs=arguments.epochs,
        # One learning rate for all layers, as for the table in docs/methods.md.
        learning_rate=1e-4,
        encoder_rate=1.0,
        class_weights="sqrt-median-frequency",
        scale=(1.0, 1.25),
        rotation=0.0,
    )
    config = follow_start(config, {"variant", "upsampling"})
    print(format_table(compare(config, arguments.run_dir)))
    return 0


main = Command(__doc__, add_arguments, work).main


if __name__ == "__main__":
    sys.exit(main())
