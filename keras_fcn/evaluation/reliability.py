"""A reliability diagram, and risk against coverage, as a picture."""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from keras_fcn.evaluation.calibration import ConfidenceCounts
from keras_fcn.storage.atomic import atomic_file


def draw_reliability(counts: ConfidenceCounts, path: Path) -> None:
    """Draw how often a network is right when it is so sure, and what refusing saves.

    Left: accuracy by confidence in 15 bins, the area of a point by the pixels in its
    bin; a network whose probabilities can be believed lies on the diagonal. Right: the
    share of errors among the surest pixels.

    Args:
        counts: of one pixel or more.
        path: PNG file to write.
    """
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    report = counts.report()
    bins = report["reliability"]
    left.plot([0, 1], [0, 1], color="0.7")
    confidence, accuracy, share = (
        [each[name] for each in bins] for name in ("confidence", "accuracy", "share")
    )
    left.plot(confidence, accuracy, color="C0")
    left.scatter(confidence, accuracy, s=[20 + 400 * each for each in share])
    error = report["expected_calibration_error"]
    left.set(
        title=f"reliability; expected calibration error {error:.1%}",
        xlabel="confidence",
        ylabel="accuracy",
        xlim=(0, 1.02),
        ylim=(0, 1.02),
    )
    coverage, risk = counts.risk_coverage()
    right.plot(100 * coverage, 100 * risk)
    right.set(
        title="risk against coverage",
        xlabel="surest pixels that are kept, %",
        ylabel="errors among them, %",
        xlim=(0, 101),
        ylim=(0, None),
    )
    for axes in (left, right):
        axes.grid(alpha=0.3)
    with atomic_file(path) as part:
        figure.savefig(part, dpi=100)
