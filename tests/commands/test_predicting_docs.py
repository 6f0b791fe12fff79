"""docs/predicting.md: each command about images, videos and the page runs."""

import re
import shlex

import numpy as np
import pytest
from PIL import Image

from keras_fcn.commands import demo, predict
from keras_fcn.commands.parser import OneLineParser
from tests.support.commands import outcome
from tests.support.data import PROJECT, draw_blocks
from tests.support.videos import describe_video, write_video

PAGE = (PROJECT / "docs/predicting.md").read_text()
HEADINGS = (
    "Input images",
    "Output files",
    "Inference size",
    "Tiles",
    "Confidence",
    "Videos, cameras and streams",
    "Web demo",
)


NAMES = (
    "image.png",
    "photographs/a.png",
    "more/b.jpg",
    "photograph.jpg",
    "panorama.png",
)


def commands_below(heading):
    _, _, section = PAGE.partition(f"## {heading}\n")
    section = section.partition("\n## ")[0]
    return re.findall(r"^    keras-fcn ((?:predict|demo) .+)$", section, re.MULTILINE)


COMMANDS = [command for heading in HEADINGS for command in commands_below(heading)]


@pytest.fixture
def media(tmp_path, monkeypatch):
    """A folder with all that the page's commands name."""
    monkeypatch.chdir(tmp_path)
    for index, name in enumerate(NAMES):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(draw_blocks(48, 64, 3, index)[0]).save(tmp_path / name)
    (tmp_path / "list.txt").write_text("image.png\nphotographs/a.png\n")
    frames = [Image.fromarray(draw_blocks(48, 64, 3, n)[0]) for n in range(3)]
    frames[0].save(tmp_path / "animation.gif", save_all=True, append_images=frames[1:])
    write_video(tmp_path / "video.mp4", [100 * n for n in range(10)], sound="aac")
    return tmp_path


def test_there_are_commands_below_each_heading():
    assert all(commands_below(heading) for heading in HEADINGS)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_runs(run, media, capsys, command):
    name, *arguments = shlex.split(command, comments=True)
    if name == "demo":
        parser = OneLineParser("keras-fcn", "", "", "")
        demo.add_arguments(parser)
        parser.parse(arguments)
        return
    status, out, err = outcome(predict, capsys, *arguments, "--model", run.path)
    if "--camera" in arguments and status:
        assert status == 2 and "camera 0" in err  # no camera here
        return
    assert status == 0, err
    folder = media / ("labelled" if "labelled" in command else "predictions")
    assert out.splitlines()[-1].startswith(f"Outputs: {folder.name}/ (")
    (*_, newest) = sorted(folder.rglob("*_labels*"))
    if newest.is_dir():
        newest = next(newest.iterdir())
    if newest.suffix == ".png":
        with Image.open(newest) as labels:
            ids = np.unique(labels)
            assert labels.mode == "P" and set(ids) <= {0, 1, 2, 255}
            assert 255 not in ids or "--unknown-below" in arguments
    else:
        assert describe_video(newest)["codec"] == "ffv1"
