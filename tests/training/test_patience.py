"""Early stopping follows from the history alone."""

import pytest
from keras_fcn.training.patience import epochs_without_gain, has_stalled


def history(*scores):
    return [{"val_mean_iou": score} for score in scores]


@pytest.mark.parametrize(
    ("scores", "epochs"),
    [((), 0), ((0.3,), 0), ((0.3, 0.2), 1), ((0.3, 0.3, 0.3), 2), ((0.1, 0.4, 0.2), 1)],
)
def test_epochs_count_from_the_first_best(scores, epochs):
    assert epochs_without_gain(history(*scores)) == epochs


def test_a_training_ends_when_its_patience_does():
    scores = history(0.5, 0.4, 0.45)
    assert not has_stalled(scores, None)
    assert not has_stalled(scores, 3)
    assert has_stalled(scores, 2)
