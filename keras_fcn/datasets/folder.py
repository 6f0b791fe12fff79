"""`folder`: the user's own `images/` and `labels/`, read anew at each run.

Label maps may be grey or palette PNGs whose values are class ids, or RGB pictures
whose colours stand in `class_dict.csv`; which it is, is seen from the file.
"""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_fcn.classes import (
    MAX_CLASSES,
    ClassMap,
    distinct_colors,
    read_class_dict,
)
from keras_fcn.datasets.dataset import SegmentationDataset, Split
from keras_fcn.datasets.label_decoder import VOID_ID, VOID_NAMES, LabelDecoder
from keras_fcn.datasets.pairing import Pair, pair_files
from keras_fcn.errors import summarize
from keras_fcn.images import (
    IMAGE_SUFFIXES,
    UnreadableImage,
    read_image,
    read_stored_values,
)


def load_folder(
    folder: Path, splits: tuple[str, ...], class_map: ClassMap | None = None
) -> SegmentationDataset:
    """Find, check and describe the images of a folder.

    Args:
        folder: holds `images/` and `labels/`, matched by stem. Splits are subfolders
            (`images/train/`, `labels/train/` ...), or lists of stems, one on a line,
            in `train.txt`, `val.txt` and `test.txt`.
        splits: those that are needed; each must have images.
        class_map: classes to take where there is no `class_dict.csv`; None numbers
            those that are found.

    Returns:
        The data set with the needed splits. Void is id 255.

    Raises:
        FileNotFoundError: if a folder, a list or an image is missing.
        ValueError: if a file is unreadable, an image lacks a label map or has another
            size, or a label is of no class; names the files.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"There is no data folder {folder}: it must hold images/ and labels/"
        )
    class_dict_path = folder / "class_dict.csv"
    class_dict = read_class_dict(class_dict_path) if class_dict_path.exists() else None
    decoder = LabelDecoder(class_dict)
    pairs = {split: _find_pairs(folder, split) for split in splits}
    checks = {split: _check(pairs[split], decoder) for split in splits}
    if class_dict is not None:
        class_map = _class_map_of_dict(class_dict)
    elif class_map is None:
        used = set().union(*(ids for check in checks.values() for _, ids in check))
        class_map = _class_map_of_ids(used, folder)
    else:
        class_map = dataclasses.replace(class_map, void_id=VOID_ID)
        for split in splits:
            _check_ids(pairs[split], checks[split], class_map)
    return SegmentationDataset(
        "folder",
        class_map,
        {
            split: Split(
                _examples(pairs[split], decoder),
                tuple(size for size, _ in checks[split]),
            )
            for split in splits
        },
    )


def _class_map_of_dict(class_dict):
    classes = [entry for entry in class_dict if entry[0].lower() not in VOID_NAMES]
    if not classes:
        raise ValueError("class_dict.csv lists no class but void")
    void = [color for name, color in class_dict if name.lower() in VOID_NAMES]
    names, colors = zip(*classes, strict=True)
    return ClassMap(names, colors, VOID_ID, void[0] if void else (0, 0, 0))


def _class_map_of_ids(used, folder):
    ids = sorted(used - {VOID_ID})
    if ids == [0] and VOID_ID in used:
        raise ValueError(
            f"The label maps in {folder} hold only 0 and 255, a black and white mask; "
            "255 is void. Add a class_dict.csv with the lines name,r,g,b, "
            "background,0,0,0 and object,255,255,255"
        )
    num_classes = ids[-1] + 1 if ids else 0
    if not 1 <= num_classes <= MAX_CLASSES:
        raise ValueError(f"The label maps in {folder} hold nothing but void (255)")
    names = tuple(f"class_{index}" for index in range(num_classes))
    return ClassMap(names, distinct_colors(num_classes), VOID_ID)


def _find_pairs(folder: Path, split: str) -> list[Pair]:
    """Image and label paths of a split, in the order of their names."""
    images_dir, labels_dir = folder / "images", folder / "labels"
    stems = None
    if (images_dir / split).is_dir():
        images_dir, labels_dir = images_dir / split, labels_dir / split
    elif (folder / f"{split}.txt").is_file():
        stems = _read_list(folder / f"{split}.txt")
    else:
        raise FileNotFoundError(
            f"{folder} has no {split} images: needed {images_dir / split}/ with "
            f"{labels_dir / split}/, or a list {folder / split}.txt of names in "
            f"{images_dir}/"
        )
    layout = f"each image needs a label map of its stem in {labels_dir}"
    return pair_files(split, images_dir, labels_dir, layout, stems=stems)


def _read_list(path):
    stems = []
    for line in path.read_text().splitlines():
        name = line.strip()
        if name:
            is_file_name = Path(name).suffix.lower() in IMAGE_SUFFIXES
            stems.append(Path(name).stem if is_file_name else Path(name).name)
    if not stems:
        raise ValueError(f"The list {path} is empty")
    return sorted(set(stems))


def _check(pairs, decoder):
    """Size and ids of every pair; all that is wrong, at once."""
    with ThreadPoolExecutor() as pool:
        results = list(pool.map(lambda pair: _check_pair(pair, decoder), pairs))
    wrong = [result for result in results if isinstance(result, str)]
    if wrong:
        raise ValueError(
            f"{len(wrong)} of {len(pairs)} images or label maps can't be used: "
            + summarize(wrong)
        )
    return results


def _check_ids(pairs, checks, class_map):
    """Refuse ids that the given classes do not have."""
    allowed = {*range(class_map.num_classes), VOID_ID}
    wrong = [
        f"{label_path}: {', '.join(map(str, sorted(ids - allowed)))}"
        for (_, label_path), (_, ids) in zip(pairs, checks, strict=True)
        if ids - allowed
    ]
    if wrong:
        raise ValueError(
            f"Label ids must be 0 to {class_map.num_classes - 1}, or {VOID_ID} for "
            f"void. Received in {len(wrong)} label maps: {summarize(wrong)}"
        )


def _check_pair(pair, decoder):
    """`(size, ids)` of a pair, or what is wrong with it."""
    image_path, label_path = pair
    try:
        size = read_image(image_path).shape[:2]
        label_map = decoder.decode(read_stored_values(label_path))
    except UnreadableImage as error:
        return str(error)
    except ValueError as error:
        return f"{label_path} {error}"
    if label_map.shape != size:
        return (
            f"{label_path} is {label_map.shape[1]}x{label_map.shape[0]}, its image "
            f"{size[1]}x{size[0]}"
        )
    return size, set(np.unique(label_map).tolist())


def _examples(pairs, decoder):
    """tf.data over the files, decoded by Pillow in parallel calls."""

    def read(image_path, label_path):
        image = read_image(Path(image_path.decode()))
        label_map = decoder.decode(read_stored_values(Path(label_path.decode())))
        return image, label_map

    def example(name, image_path, label_path):
        image, label_map = tf.numpy_function(
            read, [image_path, label_path], (tf.uint8, tf.uint8), stateful=False
        )
        return {
            "name": name,
            "image": tf.ensure_shape(image, (None, None, 3)),
            "label_map": tf.ensure_shape(label_map, (None, None)),
        }

    names = [image.stem for image, _ in pairs]
    images, label_maps = zip(*((str(a), str(b)) for a, b in pairs), strict=True)
    return tf.data.Dataset.from_tensor_slices(
        (names, list(images), list(label_maps))
    ).map(example, num_parallel_calls=tf.data.AUTOTUNE)
