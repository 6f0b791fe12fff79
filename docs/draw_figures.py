"""Draw the figures of docs/methods.md and docs/street.png: `make docs-figures`.

All values are computed with the project's code. The street scenes are rendered, and the
predictions are those of the bundled network.
"""

import argparse
import sys
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

import keras_fcn
from keras_fcn.drawing.overlays import legend, overlay_palette
from keras_fcn.drawing.panels import colorize, image_grid, stack_panels, titled
from keras_fcn.models.upsampling import BedOfNails, MaxUnpooling, bilinear_window
from keras_fcn.prediction.shift_and_stitch import shift_and_stitch
from keras_fcn.storage.atomic import atomic_file
from street_rendering import render_street

INK, ENCODER, HEAD, SCORE, LINE = "#1a1a2e", "#9ecae1", "#fdae6b", "#a1d99b", "#666666"


def main(argv=None):
    """Draw all figures into a folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "--output-dir",
        type=Path,
        default=Path("docs"),
        metavar="DIR",
        help="folder for street.png and figures/; made when missing",
    )
    folder = parser.parse_args(argv).output_dir
    figures = {
        "architecture": draw_architecture(),
        "transposed-convolution": draw_transposed_convolution(),
        "upsampling": draw_upsampling(),
        "shift-and-stitch": draw_shift_and_stitch(),
    }
    segmenter = keras_fcn.load(runtime="tensorflow")  # for its layers
    figures["strides"] = draw_strides(segmenter)
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        with atomic_file(folder / "figures" / f"{name}.png") as part:
            figure.savefig(part, dpi=110)
    with atomic_file(folder / "street.png") as part:
        draw_street(segmenter).save(part, optimize=True)
    print(f"Figures: {folder}/figures/ and {folder}/street.png")
    return 0


def new_figure(width, height):
    """Return an empty figure, size in inches, that needs no display."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def draw_architecture():
    """Draw the encoder from left to right and the decoder below it."""
    figure = new_figure(11, 4.6)
    axes = figure.subplots()
    axes.set(xlim=(-0.2, 16.6), ylim=(-4.4, 4.6))
    axes.axis("off")
    blocks = [
        ("image", 0.0, 4.0, "#dddddd", "stride 1"),
        ("block 1\n64", 1.7, 4.0, ENCODER, "pool1: 2"),
        ("block 2\n128", 3.4, 3.4, ENCODER, "pool2: 4"),
        ("block 3\n256", 5.1, 2.8, ENCODER, "pool3: 8"),
        ("block 4\n512", 6.8, 2.2, ENCODER, "pool4: 16"),
        ("block 5\n512", 8.5, 1.7, ENCODER, "pool5: 32"),
        ("fc6", 10.2, 1.3, HEAD, ""),
        ("fc7", 11.4, 1.3, HEAD, "32"),
    ]
    for label, x, height, color, below in blocks:
        box(axes, x, 2 - height / 2, 1.0, height, label, color)
        axes.text(x + 0.5, -0.35, below, ha="center", fontsize=8, color=LINE)
    for one, other in zip(blocks[:-1], blocks[1:], strict=True):
        arrow(axes, (one[1] + 1.0, 2), (other[1], 2))
    scores = [
        ("score_fr", 12.6, 1.5),
        ("fuse_pool4", 12.6, -1.2),
        ("fuse_pool3", 12.6, -3.2),
    ]
    for label, x, y in scores:
        box(axes, x, y, 1.6, 1.0, label, SCORE)
    arrow(axes, (12.4, 2), (12.6, 2))
    arrow(axes, (13.4, 1.5), (13.4, -0.2), "upscore2: x2")
    arrow(axes, (13.4, -1.2), (13.4, -2.2), "upscore_pool4: x2")
    for name, x, y in (("score_pool4", 7.3, -0.7), ("score_pool3", 5.6, -2.7)):
        arrow(axes, (x, -0.5), (x, y))
        axes.plot([x, 12.6], [y, y], color=LINE, linewidth=1)
        arrow(axes, (12.4, y), (12.6, y))
        axes.text(9.0, y + 0.12, f"{name}: 1x1", fontsize=8, color=INK)
    for text, y in (("FCN-32s: x32", 2), ("FCN-16s: x16", -0.7), ("FCN-8s: x8", -2.7)):
        arrow(axes, (14.2, y), (14.8, y))
        axes.text(14.9, y, text, va="center", fontsize=9, color=INK)
    return figure


def box(axes, x, y, width, height, label, color):
    """Draw a labeled rectangle."""
    axes.add_patch(
        Rectangle((x, y), width, height, facecolor=color, edgecolor=INK, linewidth=0.8)
    )
    axes.text(
        x + width / 2, y + height / 2, label, ha="center", va="center", fontsize=8
    )


def arrow(axes, start, end, label=None):
    """Draw an arrow, with text next to its center."""
    style = {"arrowstyle": "->", "color": LINE}
    axes.annotate("", xy=end, xytext=start, arrowprops=style)
    if label:
        x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
        axes.text(x + 0.12, y, label, va="center", fontsize=8, color=INK)


def grid(axes, values, title, empty_is_blank=False):
    """Draw a matrix as a grid of numbers on a color scale."""
    values = np.asarray(values, dtype=float)
    shown = np.ma.masked_where(values == 0, values) if empty_is_blank else values
    axes.imshow(shown, cmap="Blues", vmin=values.min(), vmax=values.max() * 1.6)
    for (row, column), value in np.ndenumerate(values):
        if value or not empty_is_blank:
            axes.text(
                column, row, f"{value:g}", ha="center", va="center", fontsize=9,
                color=INK,
            )  # fmt: skip
    axes.set(title=title, xticks=[], yticks=[])
    axes.title.set_fontsize(9)
    for edge in np.arange(-0.5, max(values.shape) + 0.5):
        axes.axhline(edge, color="white", linewidth=1)
        axes.axvline(edge, color="white", linewidth=1)


def draw_transposed_convolution():
    """Draw the worked example: scaled kernels and their sum."""
    values = np.array([[55, 52], [57, 50]])
    kernel = np.array([[1, 2, 1], [2, 2, 2], [1, 1, 2]])
    figure = new_figure(11, 4.6)
    axes = figure.subplots(2, 4)
    scaled_kernels = []
    for row, column in np.ndindex(2, 2):
        scaled = np.zeros((4, 4))
        scaled[row : row + 3, column : column + 3] = values[row, column] * kernel
        scaled_kernels.append(scaled)
    total = ops.convert_to_numpy(
        ops.conv_transpose(
            values[None, :, :, None].astype("float32"),
            kernel[:, :, None, None].astype("float32"),
            1,
        )
    )[0, :, :, 0]
    grid(axes[0, 0], values, "input, 2x2")
    grid(axes[0, 1], kernel, "kernel, 3x3")
    grid(axes[0, 2], total, "sum of the scaled kernels, 4x4")
    axes[0, 3].axis("off")
    axes[0, 3].text(
        0,
        0.5,
        "size: (2 - 1) * 1 + 3 = 4",
        va="center",
        fontsize=9,
    )
    names = ("55 * kernel", "52 * kernel", "57 * kernel", "50 * kernel")
    for axis, scaled, name in zip(axes[1], scaled_kernels, names, strict=True):
        grid(axis, scaled, name, empty_is_blank=True)
    return figure


def draw_upsampling():
    """Draw a small map, upsampled by 2 with each method."""
    values = np.array([[1, 2], [3, 4]], dtype="float32")[None, :, :, None]
    pooled = np.array(
        [[1, 0, 0, 0], [0, 0, 2, 0], [0, 0, 0, 4], [0, 3, 0, 0]], dtype="float32"
    )[None, :, :, None]
    transposed = ops.conv_transpose(
        values, bilinear_window(4)[:, :, None, None], 2, padding="same"
    )
    results = {
        "input, 2x2": values,
        "transposed convolution\n(bilinear kernel)": transposed,
        "bilinear interpolation": layers.UpSampling2D(2, interpolation="bilinear")(
            values
        ),
        "nearest": layers.UpSampling2D(2, interpolation="nearest")(values),
        "bed of nails": BedOfNails(2)(values),
        "max unpooling\n(maxima at these positions)": MaxUnpooling()(values, pooled),
    }
    figure = new_figure(11, 2.6)
    for axes, (title, result) in zip(
        figure.subplots(1, len(results)), results.items(), strict=True
    ):
        result = ops.convert_to_numpy(result)[0, :, :, 0]
        is_sparse = title.startswith(("bed", "max"))
        grid(axes, result.round(2), title, empty_is_blank=is_sparse)
    return figure


def draw_shift_and_stitch():
    """Draw the outputs of four shifts and the interlaced result."""
    figure = new_figure(11, 3)
    axes = figure.subplots(1, 5)
    dense = np.arange(1, 17).reshape(4, 4)
    for index, (down, right) in enumerate(np.ndindex(2, 2)):
        grid(axes[index], dense[down::2, right::2], f"shifted by {down}, {right}")
    grid(axes[4], dense, "interlaced")
    return figure


def draw_strides(segmenter):
    """Draw predictions from logits of stride 32, 16 and 8, and shift-and-stitch."""
    # The training scenes of the network have the seed 0.
    image, label_map = render_street(seed=1, index=7, height=192, width=256)
    network, class_map = segmenter.model, segmenter.class_map
    views = {"image": image, "label map": colorize(label_map, class_map)}
    for stride, layer in ((32, "score_fr"), (16, "fuse_pool4"), (8, "fuse_pool3")):
        logits = keras.Model(network.input, network.get_layer(layer).output)(
            image[None]
        )
        logits = ops.image.resize(logits, (192, 256), interpolation="bilinear")
        prediction = ops.convert_to_numpy(logits)[0].argmax(axis=-1)
        views[f"logits of stride {stride},\ninterpolated"] = colorize(
            prediction, class_map
        )
    stitched = shift_and_stitch(network, image, factor=4).argmax(axis=-1)
    views["shift-and-stitch, 4x4"] = colorize(stitched, class_map)
    figure = new_figure(11, 5.4)
    panels = figure.subplots(2, 3).ravel()
    for axes, (title, view) in zip(panels, views.items(), strict=True):
        axes.imshow(view)
        axes.set_title(title, fontsize=9)
        axes.axis("off")
    return figure


def draw_street(segmenter):
    """Draw docs/street.png: a rendered street scene and its prediction."""
    # Selected from 120 scenes for its variety of classes; 480x360 is CamVid's size.
    image, _ = render_street(seed=2, index=28, height=360, width=480)
    label_map = segmenter(image)
    columns = {
        "image": image,
        "prediction of fcn8s-camvid": segmenter.overlay(image, label_map),
    }
    views = image_grid([titled(title, view) for title, view in columns.items()])
    class_map, ids = segmenter.class_map, np.unique(label_map).tolist()
    names = legend(class_map, ids, views.shape[1], overlay_palette(class_map))
    # Setting the two lowest bits is invisible and saves a third of the file size.
    return Image.fromarray(stack_panels([views, names]) | 3)


if __name__ == "__main__":
    sys.exit(main())
