from threading import Event

import numpy as np
import pytest
from PIL import Image

from keras_fcn.datasets.folder.dataset import load_folder
from keras_fcn.evaluation.calibration import fit_temperature
from keras_fcn.evaluation.predictions import predict_split
from keras_fcn.prediction.predictor import make_predictor
from tests.support.data import write_folder


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = write_folder(tmp_path_factory.mktemp("data") / "mine", {"test": 5})
    Image.new("RGB", (80, 20), (9, 200, 9)).save(folder / "images/test/wide.png")
    Image.new("L", (80, 20), 1).save(folder / "labels/test/wide.png")
    return load_folder(folder, ("test",))


@pytest.fixture(scope="module")
def predict(model):
    return make_predictor(model).label_maps_and_confidence


def test_predictions_have_the_size_of_their_label_maps(predict, dataset):
    results = list(predict_split(predict, dataset.split("test"), dataset.class_map))
    assert len(results) == 6
    for result in results:
        assert result.prediction.shape == result.label_map.shape
        assert result.prediction.dtype == np.uint8


def test_the_next_batch_is_predicted_while_the_caller_processes_one(dataset):
    begun = [Event() for _ in range(6)]
    calls = iter(begun)

    def predict(images):
        next(calls).set()
        return np.zeros(images.shape[:3], "uint8"), np.ones(images.shape[:3], "float32")

    results = predict_split(predict, dataset.split("test"), dataset.class_map)
    next(results)
    assert begun[1].wait(10) and not begun[2].is_set()
    results.close()
    assert not begun[2].is_set()


def test_an_exception_of_a_prediction_is_raised(dataset):
    def predict(images):
        raise MemoryError

    with pytest.raises(MemoryError):
        list(predict_split(predict, dataset.split("test"), dataset.class_map))


def test_scores_do_not_depend_on_the_batch_size(predict, tmp_path):
    dataset = load_folder(write_folder(tmp_path / "mine", {"val": 3}), ("val",))
    matrices = [
        sum(
            result.confusion_matrix
            for result in predict_split(
                predict,
                dataset.split("val"),
                dataset.class_map,
                batch_size,
            )
        )
        for batch_size in (1, 3)
    ]
    difference = np.abs(matrices[0] - matrices[1]).sum()
    assert difference <= 4  # pixels whose two best logits differ by rounding


def test_the_last_batch_of_a_split_is_padded(tmp_path):
    dataset = load_folder(write_folder(tmp_path / "mine", {"val": 5}), ("val",))
    split, batch_sizes = dataset.split("val"), []

    def predict(images):
        batch_sizes.append(len(images))
        # Different for each image, so that mixed-up predictions are detected.
        label_maps = (images[..., 0] % 3).astype("uint8")
        return label_maps, images[..., 1].astype("float32")

    results = list(predict_split(predict, split, dataset.class_map, batch_size=2))
    assert batch_sizes == [2, 2, 2]
    assert len(results) == 5
    for result in results:
        np.testing.assert_array_equal(result.prediction, result.image[..., 0] % 3)
        np.testing.assert_array_equal(result.confidence, result.image[..., 1])


def test_padding_does_not_change_the_temperature(tmp_path):
    dataset = load_folder(write_folder(tmp_path / "mine", {"val": 3}), ("val",))
    split, batch_sizes = dataset.split("val"), []

    def logits(images):
        batch_sizes.append(len(images))
        return images.astype("float32") / 100

    reports = [
        fit_temperature(logits, split, dataset.class_map, batch_size)
        for batch_size in (1, 2)
    ]
    assert batch_sizes == [1, 1, 1, 2, 2]
    assert reports[0] == reports[1]
