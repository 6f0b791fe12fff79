"""Exports that tests of several subpackages load."""

from importlib.util import find_spec

import pytest

from keras_fcn.serving.export import export
from keras_fcn.serving.options import ExportOptions

# The package that runs each format.
PACKAGES = {
    "savedmodel": "tensorflow",
    "openvino": "openvino",
    "onnx": "onnxruntime",
    "litert": "ai_edge_litert",
}


@pytest.fixture(scope="module", params=list(PACKAGES))
def exported(request, scored_run, saved_model, tmp_path_factory):
    """Folder of an export of `model`, in each format."""
    if find_spec(PACKAGES[request.param]) is None:
        pytest.skip(f"{PACKAGES[request.param]} is not installed")
    if request.param == "savedmodel":
        return saved_model
    options = ExportOptions(format=request.param)
    return export(scored_run, tmp_path_factory.mktemp("export"), options)
