"""Images with their labels, by split, and the problems that were found."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from keras_fcn.datasets.folder.labels.class_table import ClassTable
from keras_fcn.datasets.folder.labels.files import AnyLabel, MaskSet
from keras_fcn.datasets.folder.labels.yolo import YoloLabel
from keras_fcn.errors import summarize


class Sample(NamedTuple):
    """An image and its label.

    Attributes:
        name: path below the folder of images, without suffix.
        image: path of the image.
        label: path of a label map or of a labelme file, annotations of a COCO file,
            polygons of a YOLO file, or several masks.
    """

    name: str
    image: str
    label: AnyLabel

    @property
    def label_files(self) -> Sequence[str]:
        """The files of the label alone."""
        if isinstance(self.label, MaskSet):
            return self.label.paths
        if isinstance(self.label, YoloLabel):
            return [self.label.path]
        return [self.label] if isinstance(self.label, str) else []


@dataclass(frozen=True)
class Problem:
    """An error in a folder, or a note about it.

    Attributes:
        kind: identifier for programs, such as "duplicates".
        is_fatal: whether training is refused.
        message: one line: what is wrong, and what to do.
        examples: files, names or values that are concerned.
        count: number of problems of this kind.
    """

    kind: str
    is_fatal: bool
    message: str
    examples: Sequence[str] = ()
    count: int = 1


def listed(
    kind: str,
    what: str,
    examples: Sequence[str],
    advice: str = "",
    *,
    is_fatal: bool = False,
    most: int = 3,
) -> list[Problem]:
    """Return a problem whose message has the number of examples and the first of them.

    Args:
        kind: identifier for programs.
        what: what is wrong, after the number.
        examples: files, names or values that are concerned.
        advice: what to do, after the examples.
        is_fatal: whether training is refused.
        most: number of examples in the message.

    Returns:
        One problem; none without examples.
    """
    message = f"{len(examples)} {what}: {summarize(examples, most)}{advice}"
    problem = Problem(kind, is_fatal, message, examples, len(examples))
    return [problem] if examples else []


@dataclass
class Layout:
    """The layout of a folder and its samples.

    Attributes:
        root: the folder that has the layout.
        description: one line for people.
        splits: samples by split, "train", "val" and "test" where they exist; "all"
            if the folder has no splits.
        table: classes that the layout defines; None where it defines none.
        problems: errors and notes from reading the layout.
        outer: folders around the root that hold nothing else.
    """

    root: Path
    description: str = ""
    splits: dict[str, list[Sample]] = field(default_factory=dict)
    table: ClassTable | None = None
    problems: list[Problem] = field(default_factory=list)
    outer: list[Path] = field(default_factory=list)


def relative(path: str | Path, folder: Path) -> str:
    """Return a path relative to a folder; unchanged if it is not below it.

    Args:
        path: path of a file or a folder.
        folder: the data folder.
    """
    path = Path(path)
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
