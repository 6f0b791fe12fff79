"""Masks of the pixels near edges, for scores of the quality of edges."""

import cv2
import numpy as np


def trimap(label_map: np.ndarray, ignore_class: int, width: int) -> np.ndarray:
    """Compute a mask of the pixels near an edge between two classes.

    Scores over these pixels measure the quality of edges, and thus of upsampling. Large
    uniform regions, which most networks label correctly, do not contribute.

    Args:
        label_map: integer `(height, width)`, the ground truth.
        ignore_class: id of void. The mask contains no void pixels, and borders between
            a class and void are not edges.
        width: maximum distance from the edge, pixels, at least 1; 1 selects the two
            adjacent pixels of each edge.

    Returns:
        bool `(height, width)`.

    Reference: Kohli, Ladicky and Torr, "Robust higher order potentials for enforcing
    label consistency", 2009, section 5.2.
    """
    is_labelled = label_map != ignore_class
    is_edge = np.zeros(label_map.shape, dtype=bool)
    for one, other in (
        (np.s_[1:, :], np.s_[:-1, :]),
        (np.s_[:, 1:], np.s_[:, :-1]),
    ):
        differs = label_map[one] != label_map[other]
        differs &= is_labelled[one] & is_labelled[other]
        is_edge[one] |= differs
        is_edge[other] |= differs
    if not is_edge.any():
        return is_edge
    distance = cv2.distanceTransform(
        (~is_edge).astype("uint8"), cv2.DIST_L2, cv2.DIST_MASK_PRECISE
    )
    return (distance <= width - 1) & is_labelled
