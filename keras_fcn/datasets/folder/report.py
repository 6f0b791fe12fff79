"""Describe a folder: in short, as a table, for programs, and as a page of samples."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from keras_fcn.classes import MAX_CLASSES
from keras_fcn.datasets.folder.folder_data import FolderData
from keras_fcn.datasets.folder.labels.candidates import name_colors
from keras_fcn.drawing.panels import label_panel, stack_panels
from keras_fcn.drawing.text import padded
from keras_fcn.errors import printable
from keras_fcn.images.value_range import limits_of

_RARE_SHARE = 0.001  # of the training pixels: below it a class is called rare
_NAME_WIDTH = 20


def short_lines(data: FolderData) -> list[str]:
    """Describe a folder in a few lines, as at the start of a training.

    Args:
        data: the folder.
    """
    counts = ", ".join(
        f"{split} {len(samples)}" for split, samples in data.splits.items()
    )
    sizes = {facts.size for _, _, facts in data.pairs() if facts.size}
    words = "no size known"
    if sizes:
        (height, width), (most_rows, most_columns) = np.sort(list(sizes), axis=0)[
            [0, -1]
        ]
        words = f"{width}x{height}"
        if len(sizes) > 1:
            words = f"{len(sizes)} sizes, {words} to {most_columns}x{most_rows}"
    return [
        f"{data.root}: {data.decisions[0]}",
        f"{counts or 'no'} images ({words})",
        *data.decisions[1:],
    ]


def report(data: FolderData, class_weights: Sequence[float] | None) -> dict[str, Any]:
    """Describe a folder for programs.

    Args:
        data: the folder.
        class_weights: class weights of a training; None without.

    Returns:
        A dict for JSON. Pixels are counts; `mean_color` is RGB in [0, 255] over the
        training images, None if none was decoded.
    """
    # From sums, so that images of different size count by their pixels.
    color_sums, num_pixels = [], 0
    for fact in data.facts.get("train", ()):
        if fact.size and fact.extent and fact.color_sum is not None:
            low, high = limits_of(fact.extent, data.value_range, "An image")
            count = fact.size[0] * fact.size[1]
            color_sums.append((fact.color_sum - low * count) * (255 / (high - low)))
            num_pixels += count
    mean_color = None
    if color_sums:
        mean_color = (np.sum(color_sums, axis=0) / num_pixels).round(1).tolist()
    splits = {}
    for split, facts in data.facts.items():
        sizes = Counter(f"{fact.size[1]}x{fact.size[0]}" for fact in facts if fact.size)
        label_pixels = sum(int(np.prod(fact.label_size or (0, 0))) for fact in facts)
        pixels = data.class_pixels.get(split)
        splits[split] = {
            "num_images": len(facts),
            "image_sizes": dict(sizes.most_common()),
            "label_pixels": label_pixels,
            "void_pixels": None if pixels is None else label_pixels - int(pixels.sum()),
        }
    return {
        "folder": str(data.root),
        "can_be_trained": not any(problem.is_fatal for problem in data.problems),
        "layout": data.layout.description,
        "value_range": data.value_range,
        "decisions": data.decisions,
        "splits": splits,
        "mean_color": mean_color,
        "labels": data.encoding.description if data.encoding else None,
        "classes": describe_classes(data, class_weights),
        "problems": [asdict(problem) for problem in data.problems],
    }


def describe_classes(
    data: FolderData, class_weights: Sequence[float] | None
) -> list[dict[str, Any]]:
    """Describe the classes of a folder for programs.

    Args:
        data: the folder.
        class_weights: class weights of a training; None without.

    Returns:
        For each class its pixels and images by split; a note if it is rare or empty.
    """
    if data.encoding is None:
        return []
    class_map = data.encoding.class_map
    classes = []
    for class_id, name in enumerate(class_map.names):
        splits, note = {}, ""
        for split, pixels in data.class_pixels.items():
            of_class = pixels[:, class_id]  # (N,)
            splits[split] = {
                "pixels": int(of_class.sum()),
                "images": int((of_class > 0).sum()),
            }
            if split == "train" and not of_class.any():
                note = "empty"
            elif split == "train" and of_class.sum() < _RARE_SHARE * pixels.sum():
                note = "rare"
        classes.append(
            {
                "id": class_id,
                "name": name,
                "color": list(class_map.colors[class_id]),
                "splits": splits,
                "weight": class_weights and round(class_weights[class_id], 4),
                "note": note,
            }
        )
    return classes


def format_report(data: FolderData, described: dict[str, Any]) -> str:
    """Write a folder's description as a table for people.

    Args:
        data: the folder.
        described: what `report` returned.

    Returns:
        Lines without control characters; arguments are in backticks, as in `accept`.
    """
    lines = short_lines(data)
    if described["mean_color"] is not None:
        red, green, blue = described["mean_color"]
        lines.append(
            f"mean color of the training images: red {red:.1f}, green {green:.1f}, "
            f"blue {blue:.1f} (of 255)"
        )
    if described["classes"]:
        lines += ["", *_class_table(described)]
    for title, is_fatal in (("Errors:", True), ("Notes:", False)):
        messages = [
            f"  - {problem['message']}"
            for problem in described["problems"]
            if problem["is_fatal"] == is_fatal
        ]
        lines += ["", title, *messages] if messages else []
    kinds = {problem["kind"] for problem in described["problems"]}
    if not kinds.isdisjoint(("no-table", "palettes")):
        lines += ["", *_class_table_template(data)]
    verdict = "Training is refused until the errors are corrected."
    if described["can_be_trained"]:
        verdict = "This folder can be trained on."
    lines += ["", verdict]
    return "\n".join(map(printable, lines))


def _class_table_template(data: FolderData) -> list[str]:
    """Return the lines of a class table with the colors of the label maps."""
    pixels: Counter[str] = Counter()
    for _, _, facts in data.pairs():
        if facts.label is not None:
            colors, counts = facts.label.colors.tolist(), facts.label.counts.tolist()
            pixels.update(name_colors(dict(zip(colors, counts, strict=True))))
    if len(pixels) > MAX_CLASSES:  # blended colors, such as in JPEG files
        return []
    rows = [f"class_{index},{color}" for index, color in enumerate(pixels)]
    return [
        f"Save these lines as {data.root / 'class_dict.csv'}, and replace the names:",
        "",
        "name,r,g,b",
        *rows,
    ]


def _class_table(described):
    """Share of the pixels and number of images of each class, by split."""
    splits = described["splits"]
    header = f"{'class':<{_NAME_WIDTH}}{'id':>4}"
    header += "".join(f"{split + ' pixels':>15}{'images':>8}" for split in splits)
    lines = [f"{header}{'weight':>9}"]
    num_pixels = {name: max(1, one["label_pixels"]) for name, one in splits.items()}
    for one in described["classes"]:
        line = f"{padded(one['name'][:_NAME_WIDTH], _NAME_WIDTH)}{one['id']:>4}"
        for split, counts in one["splits"].items():
            share = counts["pixels"] / num_pixels[split]
            line += f"{share:>15.3%}{counts['images']:>8}"
        weight = "" if one["weight"] is None else f"{one['weight']:.3f}"
        lines.append(f"{line}{weight:>9}  {one['note']}".rstrip())
    line = f"{'void':<{_NAME_WIDTH}}{255:>4}"
    for name, one in splits.items():
        line += f"{one['void_pixels'] / num_pixels[name]:>15.3%}{'':>8}"
    return [*lines, line.rstrip()]


def sample_page(data: FolderData, num_samples: int) -> np.ndarray | None:
    """Draw image, labels and overlay of some samples below one another.

    Each of the rarest classes comes first, in the image that has most of it; then
    samples spread over the whole folder.

    Args:
        data: the folder.
        num_samples: largest number of samples.

    Returns:
        uint8 RGB; None without an encoding, or if no sample can be drawn.
    """
    if data.encoding is None:
        return None
    pixels = np.concatenate(list(data.class_pixels.values()))  # (N, num_classes)
    total = pixels.sum(axis=0)
    by_rarity = [int(i) for i in np.argsort(total, kind="stable") if total[i]]
    # Fills the page when there are fewer classes than samples.
    count = min(num_samples, len(pixels))
    spread = np.linspace(0, len(pixels) - 1, count).round().astype(int)
    indices = [int(pixels[:, class_id].argmax()) for class_id in by_rarity]
    chosen = list(dict.fromkeys([*indices, *spread.tolist()]))[:num_samples]
    samples = [(split, sample) for split, sample, _ in data.pairs()]
    panels = []
    for split, sample in (samples[index] for index in chosen):
        try:
            image, label_map = data.read_sample(sample)
        except (ValueError, OSError):
            continue  # it is among the problems
        if image.shape[:2] == label_map.shape:
            title = f"{split}: {sample.name}"
            panels.append(label_panel(title, image, label_map, data.encoding.class_map))
    return stack_panels(panels) if panels else None
