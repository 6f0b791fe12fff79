"""Pictures of validation images during a training."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from keras_fcn.classes import ClassMap
from keras_fcn.training.callbacks import SampleWriter
from tests.support.data import draw_blocks

CLASS_MAP = ClassMap(("a", "b", "c"), ((0, 0, 0), (200, 0, 0), (0, 200, 0)), 255)


@pytest.mark.parametrize(
    ("every", "epochs"),
    [(1, [1, 2, 3, 4, 5, 6, 7]), (3, [1, 3, 6, 7]), (10, [1, 7])],
)
def test_there_is_a_picture_after_the_first_every_nth_and_the_last_epoch(
    model, tmp_path, every, epochs
):
    samples = [draw_blocks(32, 48, 3, seed=seed) for seed in range(2)]
    writer = SampleWriter(tmp_path, samples, CLASS_MAP, every, num_epochs=7)
    writer.set_model(SimpleNamespace(network=model))
    writer.on_train_begin()
    for epoch in range(1, 8):
        writer.on_epoch_end(epoch)
        assert (writer.picture is not None) == (epoch in epochs)
    found = sorted(int(path.stem[6:]) for path in tmp_path.glob("epoch-????.png"))
    assert found == epochs
    for number, (image, _) in enumerate(samples, start=1):
        path = tmp_path / f"epoch-0001-sample-{number}.png"
        with Image.open(path) as picture:
            prediction = np.asarray(picture)
        expected = np.argmax(model(image[None]), axis=-1)[0]
        np.testing.assert_array_equal(prediction, expected)
