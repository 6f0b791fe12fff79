"""Images and their label maps, matched by the stems of their file names."""

from collections.abc import Collection
from pathlib import Path

from keras_fcn.errors import summarize
from keras_fcn.images.reading import IMAGE_SUFFIXES

Pair = tuple[Path, Path]  # an image and its label map


def pair_files(
    split: str,
    images_dir: Path,
    labels_dir: Path,
    layout: str,
    *,
    stems: Collection[str] | None = None,
    label_ending: str = "",
    is_exact: bool = False,
) -> list[Pair]:
    """Match the images of a folder with the label maps of another.

    Args:
        split: the split that they are of, for messages.
        images_dir: folder of the images.
        labels_dir: folder of the label maps.
        layout: what the data set needs; ends the message where a folder is empty.
        stems: of the images that are wanted, in order; None for all, by name.
        label_ending: what the stem of a label map has more than its image's.
        is_exact: refuse label maps that belong to no image.

    Returns:
        `(image, label map)` for each stem.

    Raises:
        FileNotFoundError: if a folder has no image files, or a file is missing.
        ValueError: if two files have one stem, or a label map is left over.
    """
    images, label_maps = _by_stem(images_dir), _by_stem(labels_dir, label_ending)
    stems = list(images if stems is None else stems)
    for what, folder, found, ending in (
        ("images", images_dir, images, ""),
        ("label maps", labels_dir, label_maps, label_ending),
    ):
        if not found:
            raise FileNotFoundError(f"There are no {what} in {folder}: {layout}")
        missing = [f"{stem}{ending}" for stem in stems if stem not in found]
        if missing:
            raise FileNotFoundError(
                f"{len(missing)} of {len(stems)} {what} of {split} are missing in "
                f"{folder}: {summarize(missing)}"
            )
    left_over = [path.name for stem, path in label_maps.items() if stem not in images]
    if is_exact and left_over:
        raise ValueError(
            f"{len(left_over)} label maps in {labels_dir} have no image in "
            f"{images_dir}: {summarize(left_over)}"
        )
    return [(images[stem], label_maps[stem]) for stem in stems]


def _by_stem(folder, ending=""):
    """Image files by stem without its ending, in the order of their names."""
    found = {}
    for path in sorted(folder.glob("*")):
        if path.suffix.lower() not in IMAGE_SUFFIXES or not path.stem.endswith(ending):
            continue
        stem = path.stem.removesuffix(ending)
        if stem in found:
            raise ValueError(
                f"{found[stem].name} and {path.name} in {folder} have one stem: "
                "images and label maps are matched by it"
            )
        found[stem] = path
    return found
