"""Networks are asked for batches of one size, and answers are of what was given."""

import numpy as np

from keras_fcn.datasets.folder.dataset import load_folder
from keras_fcn.evaluation.calibration import fit_temperature
from keras_fcn.evaluation.evaluate import predict_split
from tests.support.data import write_folder


def test_the_last_batch_of_a_split_is_filled_up(tmp_path):
    dataset = load_folder(write_folder(tmp_path / "mine", {"val": 5}), ("val",))
    split, asked = dataset.split("val"), []

    def predict(images):
        asked.append(len(images))
        # of each image something of its own, which tells if answers are mixed up
        label_maps = (images[..., 0] % 3).astype("uint8")
        return label_maps, images[..., 1].astype("float32")

    results = list(predict_split(predict, split, dataset.class_map, batch_size=2))
    assert asked == [2, 2, 2]
    assert len(results) == 5
    for result in results:
        np.testing.assert_array_equal(result.prediction, result.image[..., 0] % 3)
        np.testing.assert_array_equal(result.confidence, result.image[..., 1])


def test_what_fills_up_a_batch_does_not_count_for_the_temperature(tmp_path):
    dataset = load_folder(write_folder(tmp_path / "mine", {"val": 3}), ("val",))
    split, asked = dataset.split("val"), []

    def scores(images):
        asked.append(len(images))
        return images.astype("float32") / 100

    reports = [
        fit_temperature(scores, split, dataset.class_map, batch_size)
        for batch_size in (1, 2)
    ]
    assert asked == [1, 1, 1, 2, 2]
    assert reports[0] == reports[1]
