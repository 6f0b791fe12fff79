"""Options of the runtime; imports neither TensorFlow nor Keras."""

from typing import Literal

from keras_fcn.options import NonNegativeFloat, validated

RuntimeName = Literal["auto", "tensorflow", "jax", "openvino", "onnxruntime"]
InferencePrecision = Literal["auto", "int8"]


@validated
class RuntimeOptions:
    """What computes the predictions of a network.

    Attributes:
        runtime: "tensorflow" and "jax" for Keras on that backend; "openvino" and
            "onnxruntime" for a network that is converted once, for CPUs; "auto" for
            Keras on a GPU, and for OpenVINO on a CPU if it is installed.
        precision: "auto" for the fastest type of the hardware that needs no
            calibration; "int8" for OpenVINO or ONNX Runtime in int8, calibrated once.
        max_loss: points of mean IoU, out of 100, that int8 may lose on the validation
            images.
    """

    runtime: RuntimeName = "auto"
    precision: InferencePrecision = "auto"
    max_loss: NonNegativeFloat = 0.5

    def __post_init__(self) -> None:
        if self.precision == "int8" and self.runtime in ("tensorflow", "jax"):
            raise ValueError(
                "`precision` int8 requires `runtime` openvino or onnxruntime. "
                f"Received: runtime={self.runtime}"
            )
        if self.precision != "int8" and self.max_loss != RuntimeOptions.max_loss:
            raise ValueError("`max_loss` requires `precision` int8")
