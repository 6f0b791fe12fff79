"""Early stopping: its only state is the history of the run, so it resumes exactly."""

from collections.abc import Sequence


def epochs_without_gain(history: Sequence[dict]) -> int:
    """Return how many epochs have passed since the best one.

    Args:
        history: one dict per finished epoch, with `val_mean_iou`.
    """
    scores = [row["val_mean_iou"] for row in history]
    return len(scores) - 1 - scores.index(max(scores)) if scores else 0


def has_stalled(history: Sequence[dict], patience: int | None) -> bool:
    """Say whether a training is to end before its last epoch.

    Args:
        history: as for `epochs_without_gain`.
        patience: epochs without a better validation mean IoU; None never ends it.
    """
    return patience is not None and epochs_without_gain(history) >= patience
