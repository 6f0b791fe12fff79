"""How a prediction sharpens: `python -m keras_fcn.film_strip runs/32s runs/16s ...`.

Takes the predictions of one sample image from the runs' folders `samples/`, in the
order of the runs and their epochs. PNG gives a strip of some of them, GIF a film of
all.
"""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from keras_fcn.command_line import run_command
from keras_fcn.files import written_beside
from keras_fcn.images import write_png
from keras_fcn.run_folder import RunFolder
from keras_fcn.visualize import film_strip, titled


@dataclass(frozen=True)
class Frame:
    """A prediction after an epoch: its title, and uint8 RGB `(height, width, 3)`."""

    title: str
    picture: np.ndarray


def read_frames(runs: Sequence[RunFolder], sample: int) -> list[Frame]:
    """Read the predictions of a sample image, in the order of runs and epochs.

    Args:
        runs: runs of train.py.
        sample: number of the image, from 1.

    Returns:
        The frames.

    Raises:
        ValueError: if a run has no such prediction, or the images differ in size.
    """
    frames = []
    for run in runs:
        variant = run.read_config().variant
        paths = sorted(run.samples.glob(f"epoch-*-sample-{sample}.png"))
        if not paths:
            raise ValueError(
                f"{run.samples} holds no prediction of sample {sample}: "
                "train.py --num-samples says how many there are"
            )
        for path in paths:
            epoch = int(re.match(r"epoch-(\d+)-", path.name)[1])
            with Image.open(path) as picture:
                picture = np.asarray(picture.convert("RGB"))
            frames.append(Frame(f"FCN-{variant}, epoch {epoch}", picture))
    sizes = sorted({frame.picture.shape[:2] for frame in frames})
    if len(sizes) > 1:
        raise ValueError(
            f"The runs must share their sample images. Received sizes: "
            f"{', '.join(f'{height}x{width}' for height, width in sizes)}"
        )
    return frames


def write_film(frames: Sequence[Frame], path: Path, seconds: float) -> None:
    """Write a GIF of frames with their titles; the last stays four times as long.

    Args:
        frames: at least one, of one size.
        path: GIF file; it is replaced whole.
        seconds: for which a frame is shown.
    """
    pictures = [Image.fromarray(titled(f.title, f.picture)) for f in frames]
    milliseconds = [round(1000 * seconds)] * len(frames)
    milliseconds[-1] *= 4
    with written_beside(path) as part:
        pictures[0].save(
            part,
            save_all=True,
            append_images=pictures[1:],
            duration=milliseconds,
            loop=0,
        )


def add_arguments(parser):
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="runs of train.py, in order"
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("film-strip.png"),
        metavar="FILE",
        help="PNG for a strip, GIF for a film",
    )
    parser.add_argument(
        "--sample", type=int, default=1, metavar="S", help="number of the image, from 1"
    )
    parser.add_argument(
        "--frames", type=int, default=6, metavar="N", help="pictures in a strip"
    )
    parser.add_argument(
        "--seconds", type=float, default=0.5, help="for which a film shows each picture"
    )


def command(parser, arguments, argv):
    output = arguments.output
    if output.suffix.lower() not in (".png", ".gif"):
        raise ValueError(f"--output needs a name in .png or .gif. Received: {output}")
    if not output.absolute().parent.is_dir():
        raise FileNotFoundError(f"There is no folder {output.parent}")
    if arguments.frames < 1 or not 0 < arguments.seconds < 60:
        raise ValueError("--frames must be 1 or more, and --seconds above 0, up to 60")
    frames = read_frames(
        [RunFolder.open(path) for path in arguments.runs], arguments.sample
    )
    if output.suffix.lower() == ".gif":
        write_film(frames, output, arguments.seconds)
    else:
        count = min(arguments.frames, len(frames))
        chosen = np.linspace(0, len(frames) - 1, count).round().astype(int)
        shown = [frames[index] for index in chosen]
        write_png(output, film_strip([titled(f.title, f.picture) for f in shown]))
    print(f"{len(frames)} predictions: {output}")
    return 0


def main(argv=None):
    return run_command(__doc__, add_arguments, command, argv)


if __name__ == "__main__":
    sys.exit(main())
