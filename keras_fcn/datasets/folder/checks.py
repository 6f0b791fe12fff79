"""What may be wrong with label files and with the classes that they show."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from keras_fcn.datasets.folder.labels.decoder import rgb
from keras_fcn.datasets.folder.labels.stored_values import StoredValues
from keras_fcn.datasets.folder.samples import Problem, Sample, relative
from keras_fcn.datasets.folder.scan import SampleFacts
from keras_fcn.errors import summarize

if TYPE_CHECKING:
    from keras_fcn.datasets.folder.read import FolderData

_NAMED = 8  # values, classes or ids that a message lists
_MISFITS = {
    "unreadable": "{n} of {total} images or their labels can't be read: {files}",
    "values": "{n} of {total} label maps hold what is no id: {files}",
    "size": "{n} of {total} label maps have another size than their image: {files}",
    "turned": "{n} label maps lie as the photograph was stored, and its EXIF "
    "orientation turns the image: {files}. Turn the label maps, or remove the "
    "orientation from the images",
    "maybe-turned": "{n} images are turned by their EXIF orientation, and their size "
    "can't tell whether the label maps are: {files}. See the samples of inspect",
}


def check_files(
    splits: Mapping[str, Sequence[Sample]],
    facts: Mapping[str, Sequence[SampleFacts]],
    folder: Path,
) -> list[Problem]:
    """Find files that can't be read and labels that do not fit their images.

    Args:
        splits: samples by split.
        facts: of each sample.
        folder: the data folder.
    """
    found = {kind: [] for kind in _MISFITS}
    total = 0
    for split, samples in splits.items():
        for sample, fact in zip(samples, facts[split], strict=True):
            total += 1
            for kind, message in fact.errors:
                found[kind].append(message)
            if fact.size is not None and fact.label_size is not None:
                kind = _misfit(fact)
                if kind is not None:
                    found[kind].append(_describe_sizes(sample, fact, folder))
    return [
        Problem(
            kind,
            kind != "maybe-turned",
            _MISFITS[kind].format(n=len(files), total=total, files=summarize(files)),
            files,
            len(files),
        )
        for kind, files in found.items()
        if files
    ]


def _misfit(fact):
    """What is wrong with the size of a label map; None for nothing."""
    if fact.size == fact.label_size:
        return "maybe-turned" if fact.orientation > 1 and _is_unsure(fact) else None
    is_stored = fact.orientation > 4 and fact.size == fact.label_size[::-1]
    return "turned" if is_stored else "size"


def _is_unsure(fact):
    """Whether labels in stored orientation would have this size too."""
    return fact.orientation <= 4 or fact.size[0] == fact.size[1]


def _describe_sizes(sample, fact, folder):
    label = sample.label if isinstance(sample.label, str) else str(sample.label)
    (height, width), (image_height, image_width) = fact.label_size, fact.size
    return (
        f"{relative(label, folder)} is {width}x{height}, its image "
        f"{image_width}x{image_height}"
    )


def check_labels(
    splits: Mapping[str, Sequence[Sample]],
    facts: Mapping[str, Sequence[SampleFacts]],
    union: StoredValues,
    is_expected: bool,
) -> list[Problem]:
    """Find label maps that compression or resizing has changed.

    Args:
        splits: samples by split.
        facts: of each sample.
        union: what all of them store.
        is_expected: whether a table of classes has all their values: then none of them
            comes from smoothing.
    """
    pairs = [
        (sample, fact.label)
        for split, samples in splits.items()
        for sample, fact in zip(samples, facts[split], strict=True)
        if fact.label is not None
    ]
    lossy = [
        f"{sample.label} ({label.num_distinct} values)"
        for sample, label in pairs
        if label.is_lossy
    ]
    if lossy:
        message = (
            f"{len(lossy)} label maps are JPEG files, which changes their values: "
            f"{summarize(lossy)}. Save label maps as PNG, from what they were made of"
        )
        return [Problem("smoothed", True, message, lossy, len(lossy))]
    thin = union.thin()
    if not thin or is_expected:
        return []
    files = [
        f"{sample.label} ({label.num_distinct} values)"
        for sample, label in pairs
        if not thin.isdisjoint(label.keys.tolist())
    ]
    pixels = union.colors if union.has_rgb else union.values
    main = sorted(pixels.keys() - thin, key=pixels.get, reverse=True)[:_NAMED]
    near = ", ".join(rgb(key) if union.has_rgb else str(key) for key in main)
    message = (
        f"{len(files)} label maps have many values near a few ({near}), as "
        f"smoothing or JPEG leaves them: {summarize(files)}. Resize label maps by "
        "nearest neighbour, without anti-aliasing, and save them as PNG"
    )
    return [Problem("smoothed", True, message, files, len(files))]


def check_reading(data: "FolderData", label_values: str = "auto") -> list[Problem]:
    """Find classes that a training can't learn.

    Args:
        data: read, with its classes counted.
        label_values: what the user said of the labels.
    """
    reading, problems = data.reading, []
    names = reading.class_map.names
    for split, pixels in data.class_pixels.items():
        if not pixels.any():
            message = f"The label maps of {split} hold nothing but void"
            problems.append(Problem("void", True, message))
    train = data.class_pixels.get("train")
    if train is None:
        return problems
    shown = [name for name, n in zip(names, train.sum(axis=0), strict=True) if n]
    if len(shown) == 1:
        message = (
            f"All labels of train are {shown[0]}: with one class there is nothing to "
            "learn, and every score is 100 %. `accept` one-class trains all the same"
        )
        problems.append(Problem("one-class", True, message))
    used = sum(pixels.sum(axis=0) for pixels in data.class_pixels.values())
    absent = [name for name, count in zip(names, used, strict=True) if not count]
    is_numbered = all(name.startswith("class_") for name in names)
    if absent and is_numbered and reading.kind == "ids" and len(shown) > 1:
        problems.append(_holes(names, used, label_values))
    elif absent:
        message = f"{len(absent)} classes have no pixel: {summarize(absent, _NAMED)}"
        problems.append(Problem("absent", False, message, absent, len(absent)))
    unseen = [
        name
        for name, count, of_all in zip(names, train.sum(axis=0), used, strict=True)
        if of_all and not count
    ]
    if unseen:
        message = f"{len(unseen)} classes are in no training image: {summarize(unseen)}"
        problems.append(Problem("unseen", False, message, unseen, len(unseen)))
    return problems


def _holes(names, used, label_values):
    """Tell of ids between others that no pixel has, and how to close the gaps."""
    ids = [
        int(name.removeprefix("class_"))
        for name, count in zip(names, used, strict=True)
        if count
    ]
    num_holes = len(names) - len(ids)
    moved = [f"{old} to {new}" for new, old in enumerate(ids) if old != new]
    remapping = ", ".join(moved[:_NAMED]) + (" ..." if len(moved) > _NAMED else "")
    lines = "; ".join(f"{value},name of {value}" for value in ids[:3])
    held = ", ".join(map(str, ids[:_NAMED])) + (" ..." if len(ids) > _NAMED else "")
    message = (
        f"{num_holes} of {len(names)} ids have no pixel: labels hold {held}. To close "
        f"the gaps ({remapping}), add a class_dict.csv with the lines id,name; {lines} "
        "..."
    )
    is_fatal = num_holes > len(ids) and label_values == "auto"
    if is_fatal:
        message += (
            f"; `label_values` ids trains {len(names)} classes, and where these are "
            "grey colours, the lines name,r,g,b say so"
        )
    return Problem("holes", is_fatal, message, [str(value) for value in ids], num_holes)
