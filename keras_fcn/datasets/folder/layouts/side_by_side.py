"""Images and labels in one folder: a.jpg with a_mask.png, or with a.json of labelme."""

from pathlib import Path

from keras_fcn.datasets.folder.layouts.matching import (
    list_files,
    match,
    suffix_within,
    tell_of_files,
    tell_of_matching,
)
from keras_fcn.datasets.folder.layouts.splits import split_by_lists, split_folders
from keras_fcn.datasets.folder.samples import Layout
from keras_fcn.images.reading import IMAGE_SUFFIXES


def find_beside(folder: Path, label_suffix: str | None) -> Layout | None:
    """Find labels that lie beside their images.

    Args:
        folder: the data, or folders of splits.
        label_suffix: ending of the labels' names; None to find it.

    Returns:
        The layout; None where no image has a label beside it.
    """
    splits = list(split_folders(folder)) or [("all", folder)]
    layout, words = Layout("", {}), set()
    for split, path in splits:
        images = list_files(path, IMAGE_SUFFIXES)
        json_files = list_files(path, (".json",)).files
        labels = {name: json_files[name] for name in images.files.keys() & json_files}
        ending = ""
        if not labels:
            ending = label_suffix or suffix_within(images.files)
            if ending:
                labels = {n: p for n, p in images.files.items() if n.endswith(ending)}
        if not labels:
            continue
        if ending:
            words.add(f"labels beside the images, ending in {ending}")
        else:
            words.add("labelme files beside the images")
        pictures = {
            name: image
            for name, image in images.files.items()
            if not (ending and name in labels)
        }
        layout.problems += tell_of_files(images.hidden, images.others, folder)
        matching = match(pictures, labels, ending)
        layout.problems += tell_of_matching(
            matching, pictures, folder, split, path, path
        )
        layout.splits[split] = matching.samples
    if not any(layout.splits.values()):
        return None
    if set(layout.splits) == {"all"}:
        words.add(split_by_lists(folder, layout) or "")
    else:
        words.add(f"folders {', '.join(layout.splits)}")
    layout.description = ", ".join(sorted(words - {""}, reverse=True))
    return layout
