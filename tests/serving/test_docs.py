"""The examples of docs/serving.md, and the files of deploy/ that it uses."""

import re
import shlex
import shutil
import subprocess
import urllib.request
from pathlib import Path

import pytest
import tensorflow as tf
from google.protobuf import text_format
from PIL import Image
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from keras_fcn.commands import export, predict
from keras_fcn.commands.parser import OneLineParser
from tests.support.data import PROJECT, draw_blocks
from tests.support.fake_servers import fake_model, label
from tests.support.serving_stand_in import StandIn

PAGE = (PROJECT / "docs/serving.md").read_text()
URL = "http://localhost:8501/v1/models/fcn"


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A stand-in; the current folder contains image.png."""
    image, _ = draw_blocks(33, 48, 3, seed=0)
    Image.fromarray(image).save(tmp_path / "image.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("no_proxy", "127.0.0.1")  # of curl and urllib
    with StandIn(fake_model) as stand_in:
        yield stand_in


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def parser_of(command):
    parser = OneLineParser("keras-fcn", "", "", "")
    command.add_arguments(parser)
    return parser


def decode(png):
    return tf.io.decode_png(png).numpy()[..., 0]


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_the_curl_examples_run(server):
    state, predict_it = (block.replace(URL, server.rest_url) for block in blocks("sh"))
    run = ("bash", "-euo", "pipefail", "-c")
    result = subprocess.run([*run, state], capture_output=True, text=True, check=True)
    assert '"AVAILABLE"' in result.stdout
    subprocess.run([*run, predict_it], capture_output=True, check=True)
    pixels = tf.io.decode_png(Path("image.png").read_bytes()).numpy()
    assert (decode(Path("labels.png").read_bytes()) == label(pixels)).all()


def test_the_json_example_runs(server):
    (body,) = blocks("json")
    url = f"{server.rest_url}:predict"
    with urllib.request.urlopen(url, body.encode()) as response:
        assert response.read().count(b'"b64"') == 2
    assert [tf.io.decode_png(image).shape for image in server.requests[0]] == [
        (1, 1, 3), (1, 1, 3)
    ]  # fmt: skip


def test_the_grpc_example_runs(server):
    (code,) = blocks("python")
    names = {}
    exec(code.replace("localhost:8500", server.grpc_url.split("/")[2]), names)
    names["channel"].close()
    pixels = tf.io.decode_png(Path("image.png").read_bytes()).numpy()
    assert (decode(Path("labels.png").read_bytes()) == label(pixels)).all()


@pytest.mark.parametrize("command", [export, predict])
def test_the_commands_accept_the_flags_of_the_examples(command, tmp_path, monkeypatch):
    (tmp_path / "runs/NAME").mkdir(parents=True)
    (tmp_path / "runs/NAME/config.json").touch()
    (tmp_path / "export/fcn/openvino-int8-1").mkdir(parents=True)
    (tmp_path / "export/fcn/openvino-int8-1/card.json").touch()
    monkeypatch.chdir(tmp_path)
    start = f"    keras-fcn {command.__name__.rpartition('.')[2]} "
    lines = PAGE.splitlines()
    shown = [line.removeprefix(start) for line in lines if line.startswith(start)]
    assert shown
    for line in shown:
        parser_of(command).parse(shlex.split(line))
    for flag in ("--images-per-request", "--retries", "--timeout", "--max-pixels"):
        assert f"`{flag}`" in PAGE


def test_the_files_of_the_compose_file_exist():
    compose = (PROJECT / "deploy/docker-compose.yml").read_text()
    named = re.findall(r"/config/([\w.]+)", compose)
    assert sorted(named) == ["batching.config", "models.config", "monitoring.config"]
    for name in [*named, "prometheus.yml"]:
        assert (PROJECT / "deploy" / name).is_file()
        assert name in PAGE


def test_models_config_is_valid_with_the_newest_and_with_a_specific_version():
    text = (PROJECT / "deploy/models.config").read_text()
    (model,) = text_format.Parse(text, ModelServerConfig()).model_config_list.config
    assert (model.name, model.base_path) == ("fcn", "/models/fcn")
    assert model.model_version_policy.latest.num_versions == 1
    (other,) = set(re.findall(r"model_version_policy \{ specific .*\}", text))
    newest = "model_version_policy { latest { num_versions: 1 } }"
    pinned = text_format.Parse(text.replace(newest, other), ModelServerConfig())
    policy = pinned.model_config_list.config[0].model_version_policy
    assert list(policy.specific.versions) == [1]
    with pytest.raises(text_format.ParseError, match="should not have multiple"):
        text_format.Parse(
            text.replace(newest, f"{newest} {other}"), ModelServerConfig()
        )
    for document in (text, PAGE):
        assert "in place of the" in " ".join(document.replace("#", "").split())


def test_max_batch_size_is_at_least_a_request_of_the_client():
    text = (PROJECT / "deploy/batching.config").read_text()
    fields = dict(re.findall(r"^(\w+) \{ value: (\d+) \} +#", text, re.MULTILINE))
    assert len(fields) == text.count("value:") == 4
    arguments, _ = parser_of(predict).parse(["image.png"])
    assert arguments.images_per_request <= int(fields["max_batch_size"])


def test_padding_in_batches_is_off_and_the_reason_is_documented():
    text = (PROJECT / "deploy/batching.config").read_text()
    settings = [line for line in text.splitlines() if not line.startswith("#")]
    assert not any("pad_variable_length_inputs" in line for line in settings)
    for document in (text, PAGE):
        words = " ".join(document.replace("#", "").split())
        assert "in merged requests must have the same size" in words
        assert "FAILED_PRECONDITION" in words
