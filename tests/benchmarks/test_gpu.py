import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from benchmarks import gpu
from tests.support.data import PROJECT

FLAGS = [
    *"--size 32 32 --batch-sizes 1 --head-filters 8 --product 64".split(),
    *"--precision float32 --seconds 600".split(),  # enough on a busy machine
]
SCRIPT = """
import sys
sys.modules["tensorflow"] = None  # as if it were not installed
from benchmarks.gpu import main
from tests.support.narrow import narrow_vgg16
with narrow_vgg16():
    main(sys.argv[1:])
"""


def check_report(text):
    report = json.loads(text)
    assert [row["work"] for row in report["rows"]] == ["training", "prediction"]
    assert not report["skipped"]
    for row, factor in zip(report["rows"], (3, 1), strict=True):
        teraflops = row["images_per_second"] * report["gflop_per_image"] * factor / 1000
        share = teraflops / report["peak_tflop_per_second"]
        assert row["share_of_peak"] == pytest.approx(share)
    return report


@pytest.mark.slow
@pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed")
def test_training_and_prediction_are_measured_without_tensorflow():
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, *FLAGS],
        cwd=PROJECT,
        env={
            **os.environ,
            "KERAS_BACKEND": "jax",
            "XLA_FLAGS": "--xla_backend_optimization_level=0",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert check_report(result.stdout)["backend"] == "jax"


def test_training_and_prediction_are_measured_on_tensorflow(capsys):
    gpu.main(FLAGS)
    assert check_report(capsys.readouterr().out)["backend"] == "tensorflow"
