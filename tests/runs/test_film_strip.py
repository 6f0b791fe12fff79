import numpy as np
import pytest
from PIL import Image

from keras_fcn import film_strip
from keras_fcn.classes import ClassMap
from keras_fcn.images import write_label_map
from keras_fcn.runs.folder import RunFolder
from tests.support.data import tiny_config

CLASS_MAP = ClassMap(("a", "b"), ((200, 0, 0), (0, 200, 0)), 255)


def make_run(path, variant, epochs, size=(20, 200)):
    """A run with a prediction of one sample after each epoch, and nothing else."""
    config = tiny_config(path, variant=variant)
    run = RunFolder.create(path, config, CLASS_MAP)
    for epoch in range(1, epochs + 1):
        prediction = np.full(size, epoch % 2, "uint8")
        write_label_map(
            run.samples / f"epoch-{epoch:04}-sample-1.png", prediction, CLASS_MAP
        )
    return run


@pytest.fixture
def runs(tmp_path):
    return [
        make_run(tmp_path / "coarse", "32s", 3),
        make_run(tmp_path / "fine", "8s", 2),
    ]


def test_frames_come_in_the_order_of_runs_and_epochs(runs):
    frames = film_strip.read_frames(runs, sample=1)
    assert [frame.title for frame in frames] == [
        "FCN-32s, epoch 1", "FCN-32s, epoch 2", "FCN-32s, epoch 3",
        "FCN-8s, epoch 1", "FCN-8s, epoch 2",
    ]  # fmt: skip
    assert (frames[0].picture == (0, 200, 0)).all()
    assert (frames[1].picture == (200, 0, 0)).all()


def main(*arguments):
    return film_strip.main([str(argument) for argument in arguments])


def test_a_film_shows_every_prediction(runs, tmp_path, capsys):
    output = tmp_path / "film.gif"
    assert main(*(run.path for run in runs), "--output", output) == 0
    assert capsys.readouterr().out == f"5 predictions: {output}\n"
    with Image.open(output) as film:
        assert film.n_frames == 5
        film.seek(4)
        assert film.info["duration"] == 2000


def test_a_strip_shows_as_many_as_asked_for(runs, tmp_path):
    output = tmp_path / "strip.png"
    assert main(runs[0].path, "--output", output, "--frames", 2) == 0
    with Image.open(output) as strip:
        assert strip.width == 400


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        (["--output", "strip.jpg"], "needs a name in .png or .gif"),
        (["--output", "no/strip.png"], "There is no folder"),
        (["--sample", "9"], "holds no prediction of sample 9"),
        (["--frames", "0"], "--frames must be 1 or more"),
    ],
)
def test_bad_arguments_are_one_line(runs, capsys, arguments, needed):
    assert main(runs[0].path, *arguments) == 2
    assert needed in capsys.readouterr().err


def test_runs_with_other_images_are_refused(runs, tmp_path, capsys):
    other = make_run(tmp_path / "other", "8s", 1, size=(10, 10))
    assert main(runs[0].path, other.path, "--output", tmp_path / "strip.png") == 2
    assert "must share their sample images" in capsys.readouterr().err
