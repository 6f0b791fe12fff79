import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from tests.support.data import PROJECT

SCRIPT = """
import sys
sys.modules["tensorflow"] = None  # as if it were not installed
from benchmarks.gpu import main
from tests.support.narrow import narrow_vgg16
with narrow_vgg16():
    main(sys.argv[1:])
"""


@pytest.mark.slow
@pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed")
def test_training_and_prediction_are_measured_without_tensorflow():
    flags = "--size 32 32 --batch-sizes 1 --head-filters 8 --product 64".split()
    flags += ["--seconds", "600"]  # enough on a busy machine
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, *flags, "--precision", "float32"],
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
    report = json.loads(result.stdout)
    assert [row["work"] for row in report["rows"]] == ["training", "prediction"]
    assert not report["skipped"]
    for row, factor in zip(report["rows"], (3, 1), strict=True):
        teraflops = row["images_per_second"] * report["gflop_per_image"] * factor / 1000
        share = teraflops / report["peak_tflop_per_second"]
        assert row["share_of_peak"] == pytest.approx(share)
