"""FCN-8s in PyTorch, with the weights of a Keras network, for comparison."""

import keras
import numpy as np
import torch
from torch import nn

from keras_fcn.models.layers import DEEPEST_STRIDE, MEAN_RGB


class TorchFCN(nn.Module):
    """FCN-8s with the weights of a Keras network, channels last, decoder in float32.

    Args:
        network: FCN-8s of `keras_fcn.FCN` with transposed upsampling and batch
            normalization of the skips.
        is_bfloat16: compute the encoder in bfloat16, by autocast.
    """

    def __init__(self, network: keras.Model, is_bfloat16: bool):
        super().__init__()
        self.is_bfloat16 = is_bfloat16
        self.layers = nn.ModuleDict()
        for layer in network.layers:
            if layer.weights:
                self.layers[layer.name] = _in_torch(layer)
        mean = torch.tensor(MEAN_RGB).flip(0)[None, :, None, None]
        self.register_buffer("mean", mean)
        self.to(memory_format=torch.channels_last)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map RGB in [0, 255], `(N, 3, H, W)`, to logits `(N, C, H, W)`."""
        height, width = image.shape[2:]
        rows, columns = -height % DEEPEST_STRIDE, -width % DEEPEST_STRIDE
        x = image.flip(1) - self.mean
        padding = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
        x = nn.functional.pad(x, padding).contiguous(memory_format=torch.channels_last)
        pools = {}
        with torch.autocast("cpu", torch.bfloat16, enabled=self.is_bfloat16):
            for block, count in enumerate((2, 2, 3, 3, 3), start=1):
                for index in range(1, count + 1):
                    x = self.layers[f"block{block}_conv{index}"](x).relu()
                x = pools[block] = nn.functional.max_pool2d(x, 2)
            for name in ("fc6", "fc7"):
                x = self.layers[name](x).relu()
                x = nn.functional.dropout(x, 0.5, self.training)
        logits = self.layers["score_fr"](x.float())  # (N, C, H/32, W/32)
        for upscore, pool, block in (
            ("upscore2", "pool4", 4),
            ("upscore_pool4", "pool3", 3),
        ):
            skip = self.layers[f"norm_{pool}"](pools[block].float())
            skip = self.layers[f"score_{pool}"](skip)
            logits = self.layers[upscore](logits) + skip
        logits = self.layers["upscore8"](logits)  # (N, C, H, W), padded
        top, left = rows // 2, columns // 2
        return logits[:, :, top : top + height, left : left + width]


def _in_torch(layer):
    values = {v.name: np.asarray(v) for v in layer.variables}
    if isinstance(layer, keras.layers.BatchNormalization):
        copy = nn.BatchNorm2d(len(values["gamma"]), layer.epsilon, 1 - layer.momentum)
        named = {
            "weight": values["gamma"],
            "bias": values["beta"],
            "running_mean": values["moving_mean"],
            "running_var": values["moving_variance"],
        }
    elif isinstance(layer, keras.layers.Conv2DTranspose):
        kernel = values["kernel"].transpose(3, 2, 0, 1)  # (in, out, rows, columns)
        (stride, _), (size, _) = layer.strides, layer.kernel_size
        padding = (size - stride) // 2
        copy = nn.ConvTranspose2d(*kernel.shape[:3], stride, padding, bias=False)
        named = {"weight": kernel}
    else:
        kernel = values["kernel"].transpose(3, 2, 0, 1)  # (out, in, rows, columns)
        (size, _), (dilation, _) = layer.kernel_size, layer.dilation_rate
        padding = dilation * (size - 1) // 2
        copy = nn.Conv2d(
            kernel.shape[1], kernel.shape[0], size, padding=padding, dilation=dilation
        )
        named = {"weight": kernel, "bias": values["bias"]}
    state = {name: torch.from_numpy(value.copy()) for name, value in named.items()}
    copy.load_state_dict(
        state, strict=False
    )  # BatchNorm2d also has a counter of batches
    return copy
