"""Images and labels in one folder: a.jpg with a_mask.png, or with a.json of labelme."""

from pathlib import Path

from keras_fcn.datasets.folder.layouts.matching import (
    add_ignored,
    add_split,
    find_suffix,
    list_files,
)
from keras_fcn.datasets.folder.layouts.splits import split_by_lists, split_folders
from keras_fcn.datasets.folder.samples import Layout
from keras_fcn.images.reading import IMAGE_SUFFIXES


def find_side_by_side(folder: Path, label_suffix: str | None) -> Layout | None:
    """Find labels in the same folder as their images.

    Args:
        folder: the data, or folders of splits.
        label_suffix: ending of the labels' names; None to find it.

    Returns:
        The layout; None if no image has a label next to it.
    """
    layout, rules = Layout(folder), set()
    for split, path in list(split_folders(folder)) or [("all", folder)]:
        images = list_files(path, IMAGE_SUFFIXES)
        files = images.files
        json_files = list_files(path, (".json",)).files
        labels = {name: json_files[name] for name in files if name in json_files}
        ending = ""
        if not labels:
            ending = label_suffix or find_suffix(files, files, is_one_folder=True)
            labels = {n: p for n, p in files.items() if ending and n.endswith(ending)}
        if not labels:
            continue
        if ending:
            rules.add(f"labels next to the images, ending in {ending}")
            files = {name: path for name, path in files.items() if name not in labels}
        else:
            rules.add("labelme files next to the images")
        add_ignored(layout, images.hidden, images.others)
        add_split(layout, split, files, labels, ending, (path, path))
    if not any(layout.splits.values()):
        return None
    if set(layout.splits) == {"all"}:
        rules.add(split_by_lists(layout) or "")
    else:
        rules.add(f"folders {', '.join(layout.splits)}")
    layout.description = ", ".join(sorted(rules - {""}, reverse=True))
    return layout
