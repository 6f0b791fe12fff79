"""What a folder holds, in words: short, as a table, and for programs."""

from collections.abc import Sequence

import numpy as np

from keras_fcn.datasets.folder.read import FolderData
from keras_fcn.errors import printable

_RARE_SHARE = 0.001  # of the training pixels: below it a class is called rare
_NAME_WIDTH = 20


def short_lines(data: FolderData) -> list[str]:
    """Describe a folder in a few lines, as a training does.

    Args:
        data: the folder, read.
    """
    counts = ", ".join(
        f"{split} {len(samples)}" for split, samples in data.splits.items()
    )
    return [
        f"{data.root}: {data.said[0]}",
        f"{counts} images ({describe_sizes(data)})",
        *data.said[1:],
    ]


def describe_sizes(data: FolderData) -> str:
    """Return the sizes of the images, for people.

    Args:
        data: the folder, read.
    """
    sizes = sorted(
        {fact.size for facts in data.facts.values() for fact in facts if fact.size}
    )
    if not sizes:
        return "no size known"
    if len(sizes) == 1:
        return f"{sizes[0][1]}x{sizes[0][0]}"
    least, most = np.min(sizes, axis=0), np.max(sizes, axis=0)
    return f"{len(sizes)} sizes, {least[1]}x{least[0]} to {most[1]}x{most[0]}"


def report(data: FolderData, class_weights: Sequence[float] | None) -> dict:
    """Describe a folder for programs.

    Args:
        data: the folder, read.
        class_weights: those that a training would use; None for none.

    Returns:
        dict for JSON. Pixels are counts; `mean_color` is RGB in [0, 255].
    """
    reading = data.reading
    problems = [
        {
            "kind": problem.kind,
            "is_fatal": problem.is_fatal,
            "message": problem.message,
            "count": problem.count,
            "examples": list(problem.examples),
        }
        for problem in data.problems
    ]
    return {
        "folder": str(data.root),
        "can_be_trained": not any(problem.is_fatal for problem in data.problems),
        "layout": data.layout.description,
        "decided": data.said,
        "splits": {split: _describe_split(data, split) for split in data.splits},
        "mean_color": _mean_color(data),
        "labels": None if reading is None else reading.description,
        "classes": [] if reading is None else _describe_classes(data, class_weights),
        "problems": problems,
    }


def _describe_split(data, split):
    facts = data.facts[split]
    sizes = {}
    for fact in facts:
        if fact.size:
            size = f"{fact.size[1]}x{fact.size[0]}"
            sizes[size] = sizes.get(size, 0) + 1
    num_pixels = sum(
        fact.label_size[0] * fact.label_size[1] for fact in facts if fact.label_size
    )
    pixels = data.class_pixels.get(split)
    return {
        "num_images": len(data.splits[split]),
        "image_sizes": dict(sorted(sizes.items(), key=lambda pair: -pair[1])),
        "label_pixels": num_pixels,
        "void_pixels": None if pixels is None else num_pixels - int(pixels.sum()),
    }


def _mean_color(data):
    """Mean RGB over the pixels of train; None where no image was decoded."""
    decoded = [
        fact for fact in data.facts.get("train", ()) if fact.color_sum is not None
    ]
    if not decoded:
        return None
    total = sum(fact.color_sum for fact in decoded)
    num_pixels = sum(fact.size[0] * fact.size[1] for fact in decoded)
    return [round(float(value), 1) for value in total / num_pixels]


def _describe_classes(data, class_weights):
    class_map = data.reading.class_map
    classes = []
    for class_id, name in enumerate(class_map.names):
        of_splits = {
            split: {
                "pixels": int(pixels[:, class_id].sum()),
                "images": int((pixels[:, class_id] > 0).sum()),
            }
            for split, pixels in data.class_pixels.items()
        }
        classes.append(
            {
                "id": class_id,
                "name": name,
                "color": list(class_map.colors[class_id]),
                "splits": of_splits,
                "weight": None
                if class_weights is None
                else round(float(class_weights[class_id]), 4),
                "note": _note(data, of_splits),
            }
        )
    return classes


def _note(data, of_splits):
    """Whether a class is absent or rare in the training images."""
    train = of_splits.get("train")
    if train is None:
        return ""
    if not train["pixels"]:
        return "empty"
    share = train["pixels"] / max(1, int(data.class_pixels["train"].sum()))
    return "rare" if share < _RARE_SHARE else ""


def format_report(data: FolderData, described: dict) -> str:
    """Write a folder's description as a table for people.

    Args:
        data: the folder, read.
        described: what `report` gave.

    Returns:
        Lines that steer no terminal and name arguments, as in `accept`.
    """
    lines = short_lines(data)
    if described["mean_color"] is not None:
        lines.append(
            "mean colour of train: "
            + ", ".join(f"{value:.1f}" for value in described["mean_color"])
        )
    if described["classes"]:
        lines += ["", *_class_table(described)]
    fatal = [problem for problem in described["problems"] if problem["is_fatal"]]
    notes = [problem for problem in described["problems"] if not problem["is_fatal"]]
    for title, problems in (("Refused:", fatal), ("To know:", notes)):
        if problems:
            lines += ["", title, *(f"  - {one['message']}" for one in problems)]
    if not fatal:
        lines += ["", "This folder can be trained on."]
    return "\n".join(map(printable, lines))


def _class_table(described):
    splits = list(described["splits"])
    header = f"{'class':<{_NAME_WIDTH}}{'id':>4}"
    header += "".join(f"{split + ' pixels':>15}{'images':>8}" for split in splits)
    lines = [f"{header}{'weight':>9}"]
    for one in described["classes"]:
        line = f"{one['name'][:_NAME_WIDTH]:<{_NAME_WIDTH}}{one['id']:>4}"
        for split in splits:
            counts = one["splits"][split]
            share = counts["pixels"] / max(
                1, described["splits"][split]["label_pixels"]
            )
            line += f"{share:>15.3%}{counts['images']:>8}"
        weight = "" if one["weight"] is None else f"{one['weight']:.3f}"
        lines.append(f"{line}{weight:>9}  {one['note']}".rstrip())
    line = f"{'void':<{_NAME_WIDTH}}{255:>4}"
    for split in splits:
        of_split = described["splits"][split]
        share = of_split["void_pixels"] / max(1, of_split["label_pixels"])
        line += f"{share:>15.3%}{'':>8}"
    return [*lines, line.rstrip()]
