"""The sample predictions of runs, written after each epoch."""

from collections.abc import Sequence

from keras_fcn.config import MAX_IMAGE_PIXELS
from keras_fcn.drawing.sample_strip import Frame
from keras_fcn.images.reading import read_size
from keras_fcn.runs.folder import RunFolder

_MAX_PIXELS = 10 * MAX_IMAGE_PIXELS  # of all frames; as in `predict`, for animations


def find_frames(runs: Sequence[RunFolder], sample: int) -> list[Frame]:
    """Find the predictions of a sample image, in the order of runs and epochs.

    Args:
        runs: the runs.
        sample: number of the image, at least 1.

    Raises:
        ValueError: if a run has no such prediction, an image can't be read or has
            another size, or all of them together have too many pixels.
    """
    frames = []
    for run in runs:
        variant = run.read_config().variant
        end = f"-sample-{sample}.png"  # written by `training/callbacks.py`
        paths = sorted(run.samples.glob(f"epoch-*{end}"))
        if not paths:
            raise ValueError(
                f"{run.samples} has no prediction of sample {sample}: `num_samples` of "
                "the training sets their number"
            )
        for path in paths:
            epoch = int(path.name.removeprefix("epoch-").removesuffix(end))
            frames.append(Frame(f"FCN-{variant}, epoch {epoch}", path))
    sizes = sorted({read_size(frame.path) for frame in frames})
    if len(sizes) > 1:
        raise ValueError(
            "The sample images of the runs must have the same size. Received: "
            f"{', '.join(f'{width}x{height}' for height, width in sizes)}"
        )
    height, width = sizes[0]
    if len(frames) * height * width > _MAX_PIXELS:
        raise ValueError(
            f"The sample images of the runs must have at most {_MAX_PIXELS} pixels "
            f"together. Received: {len(frames)} images of {width}x{height}"
        )
    return frames
