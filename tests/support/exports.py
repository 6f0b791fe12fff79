"""Exports that tests of several subpackages load."""

from importlib.util import find_spec

import pytest

# The package that runs each format.
PACKAGES = {
    "savedmodel": "tensorflow",
    "openvino": "openvino",
    "onnx": "onnxruntime",
    "litert": "ai_edge_litert",
}


@pytest.fixture(scope="module", params=list(PACKAGES))
def exported(request, float_export):
    """Folder of an export of `model`, in each format."""
    if find_spec(PACKAGES[request.param]) is None:
        pytest.skip(f"{PACKAGES[request.param]} is not installed")
    return float_export(request.param)
