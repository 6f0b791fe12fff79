"""What a layout finds: images with their labels, by split, and what is to be told."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from keras_fcn.datasets.folder.labels.class_table import ClassEntry


class CocoLabel(NamedTuple):
    """The annotations of one image in a COCO file.

    Attributes:
        path: the JSON file.
        image_id: the image in it.
        size: `(height, width)` that the file gives, pixels.
        annotations: JSON text, `[[category id, segmentation], ...]`; text takes a
            tenth of the memory of lists.
    """

    path: str
    image_id: int | str
    size: tuple[int, int]
    annotations: bytes

    def __str__(self):
        return f"image {self.image_id} of {self.path}"


class Sample(NamedTuple):
    """An image and where its labels are.

    Attributes:
        name: path below the folder of images, without suffix.
        image: path of the image.
        label: path of a label map or of a labelme file, or what a COCO file holds.
    """

    name: str
    image: str
    label: str | CocoLabel


class Problem(NamedTuple):
    """Something that is wrong with a folder, or that should be known.

    Attributes:
        kind: a word for programs, as in "duplicates".
        is_fatal: whether no training begins with it.
        message: one line: what is wrong, and what to do.
        examples: files with what is wrong with each, the first few or all.
        count: how many there are.
    """

    kind: str
    is_fatal: bool
    message: str
    examples: list[str] = []
    count: int = 1


@dataclass
class Layout:
    """How a folder is laid out.

    Attributes:
        description: one line for people.
        splits: samples by split, "train", "val" and "test" where there are such; "all"
            where the folder has no splits.
        entries: classes that the layout itself brings; None where there are none.
        source: what brings them, for messages.
        problems: what was found while looking.
        root: the folder that has the layout.
    """

    description: str
    splits: dict[str, list[Sample]]
    entries: list[ClassEntry] | None = None
    source: str = ""
    problems: list[Problem] = field(default_factory=list)
    root: Path = Path()


def relative(path: str | Path, folder: Path) -> str:
    """Return a path as it is below a folder; as it is where it is not below.

    Args:
        path: of a file or a folder.
        folder: the data folder.
    """
    path = Path(path)
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
