"""`pack`: the packed network of a run."""

import json

from PIL import Image

from keras_fcn.commands import pack, predict
from tests.support.commands import outcome, refusal


def test_a_packed_network_predicts_like_its_run(run, folder, tmp_path, capsys):
    output = tmp_path / "mine"
    status, out, _ = outcome(pack, capsys, run.path, "--output-dir", output)
    assert status == 0
    megabytes = (output / "weights.safetensors").stat().st_size / 1e6
    assert out == f"Packed: {output}/ ({megabytes:.1f} MB)\n"
    image = folder / "images/test/test_0.png"
    flags = ("--model", output, "--output-dir", tmp_path / "labels")
    assert outcome(predict, capsys, image, *flags)[0] == 0
    with Image.open(tmp_path / "labels/test_0_labels.png") as labels:
        assert labels.size == (64, 48)


def test_an_unfinished_run_can_not_be_packed(run, tmp_path, capsys):
    output = tmp_path / "mine"
    line = refusal(pack, capsys, tmp_path, "--output-dir", output)
    assert f"{tmp_path} is not a run" in line
    line = refusal(pack, capsys, run.path, "--output-dir", run.path)
    assert "exists already: choose a new folder" in line
    run.checkpoints.last_file.write_text(
        json.dumps(
            {
                "epoch": 0,
                "step": 1,
                "state": "checkpoint-0000-000001.safetensors",
                "history": [],
            }
        )
    )
    line = refusal(pack, capsys, run.path, "--output-dir", output)
    assert "has finished 0 of its 1 epochs" in line
    assert not output.exists()
