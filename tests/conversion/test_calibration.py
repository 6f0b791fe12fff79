"""The data that calibrate a network in int8."""

from types import SimpleNamespace

import numpy as np
import pytest

from keras_fcn.conversion import calibration
from keras_fcn.datasets.camvid import CLASS_MAP
from keras_fcn.runs.bundled import find_network


def test_the_bundled_network_is_calibrated_with_rendered_streets(monkeypatch):
    monkeypatch.setattr(calibration, "NUM_CALIBRATION", 2)
    monkeypatch.setattr(calibration, "NUM_STREETS", 1)
    monkeypatch.setattr(calibration, "scaled_size", lambda size, side: (64, 96))
    data = calibration.usual_calibration(find_network("fcn8s-camvid"))
    assert data.data == "streets"
    assert [image.shape for image in data.images] == [(64, 96, 3)] * 2
    assert not (data.images[0] == data.images[1]).all()
    ((_, truth),) = calibration.render_streets("val", 1, (64, 96))
    perfect = data.score(lambda images: truth[None])
    assert perfect == {"mean_iou": 1.0, "pixel_accuracy": 1.0}
    (sky,) = {
        round(data.score(lambda images: np.zeros((1, 64, 96), "uint8"))[name], 6)
        for name in ("pixel_accuracy",)
    }
    assert sky == pytest.approx((truth == 0).sum() / (truth != 11).sum(), abs=1e-6)


def test_streets_have_the_size_of_the_training_images(monkeypatch):
    sizes = []
    monkeypatch.setattr(
        calibration, "render_streets", lambda split, count, size: sizes.append(size)
    )
    network = SimpleNamespace(
        read_config=lambda: SimpleNamespace(image_size=(360, 480)),
        read_training_size=lambda: 540,
        read_class_map=lambda: CLASS_MAP,
    )
    with pytest.raises(TypeError):  # no images were rendered
        calibration.street_calibration(network)
    assert sizes == [(540, 720)] * 2
