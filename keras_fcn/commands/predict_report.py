"""The lines and the table that `predict` writes about images and videos."""

import argparse
import logging
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_fcn.errors import printable, summarize

if TYPE_CHECKING:
    from keras_fcn.classes import ClassMap
    from keras_fcn.prediction.annotations import CocoFile
    from keras_fcn.prediction.jobs import Job
    from keras_fcn.prediction.outputs import Outputs
    from keras_fcn.prediction.results import Result, ResultTable
    from keras_fcn.prediction.segmenter import Segmenter
    from keras_fcn.prediction.video.reader import Clip

logger = logging.getLogger("keras_fcn.predict")


@contextmanager
def open_report(
    arguments: argparse.Namespace, class_map: "ClassMap"
) -> Iterator["PredictionReport"]:
    """Open the report of a prediction, with a table if `csv` is given.

    Args:
        arguments: of the command, with `jobs` and `output_dir`.
        class_map: names of the classes.
    """
    from keras_fcn.prediction.results import result_table

    with ExitStack() as stack:
        table = None
        if arguments.csv:
            table = stack.enter_context(
                result_table(arguments.csv, class_map, arguments.skip_existing)
            )
        coco = None
        if "coco" in arguments.annotations:
            from keras_fcn.prediction.annotations import CocoFile

            coco = CocoFile(class_map)
            # Also after an interruption, with the images until then.
            stack.callback(coco.save, arguments.output_dir / "annotations.coco.json")
        if "labelme" in arguments.annotations:
            from keras_fcn.prediction.annotations import write_labelme_names

            write_labelme_names(arguments.output_dir / "labels.txt", class_map)
        report = PredictionReport(arguments, class_map, table, coco)
        try:
            yield report
        except KeyboardInterrupt:
            report.log_interruption()
            raise


class PredictionReport:
    """Shows, counts and sums up the results of a prediction, and writes the table.

    Args:
        arguments: of the command, with `jobs` and `output_dir`.
        class_map: names of the classes.
        table: gets a row for each image or frame; None for no table.
        coco: gets the label map of each image; None for no COCO file.
    """

    def __init__(
        self,
        arguments: argparse.Namespace,
        class_map: "ClassMap",
        table: "ResultTable | None",
        coco: "CocoFile | None" = None,
    ):
        self._output_dir = arguments.output_dir
        self._num_images = sum(not job.is_video for job in arguments.jobs)
        self._jobs = {job.path: job for job in arguments.jobs}
        self._names = {job.path: job.name for job in (*arguments.jobs, *arguments.live)}
        self._class_map, self._table, self._coco = class_map, table, coco
        # A line for a single file; of many, only on request.
        self._has_lines = arguments.verbose or len(arguments.jobs) <= 1
        self._failed: list[str] = []
        self._num_predicted = self._num_skipped = 0
        self._predicted: set[Path] = set()
        self._first_path: Path | None = None
        self._last_path: Path | None = None
        self._file_number = 0

    def add(self, result: "Result") -> None:
        """Count the result of an image, and print it if lines are shown."""
        self._count(result)
        if self._coco and result.label_map is not None:
            # Relative to the folder of inputs, which the outputs' subfolders mirror.
            name = self._jobs[result.path].stem.relative_to(self._output_dir)
            name = name.with_name(result.path.name)
            if result.frame is not None:
                name = name.with_suffix("") / f"{result.frame:06}{name.suffix}"
            self._coco.add(name.as_posix(), result.label_map)
        if not result.problem and self._has_lines:
            frame = "" if result.frame is None else f", frame {result.frame}"
            name = self._name(result.path)
            self._print(f"{name}{frame}: {result.describe(self._class_map)}")

    def add_images(self, results: "Generator[Result, None, None]") -> None:
        """Count results as they come, with a progress bar, and log the rate."""
        from keras_fcn.progress import Progress

        begun, before = time.perf_counter(), self._num_predicted
        bar = Progress(description="Predicting", total=self._num_images, unit="files")
        with closing(results), bar:  # ends its threads also after Ctrl-C
            for result in results:
                self.add(result)
                bar.update(self._file_number - bar.n)
        seconds, count = time.perf_counter() - begun, self._num_predicted - before
        if count > 1:  # the time of a single image is mostly compilation
            logger.info(
                "%d images in %.1f s, %.2f images/s", count, seconds, count / seconds
            )

    def add_video_file(
        self,
        segmenter: "Segmenter",
        job: "Job",
        outputs: "Outputs",
        clip: "Clip",
        max_pixels: int,
    ) -> None:
        """Predict a video file; one that exists already or is damaged is skipped."""
        from keras_fcn.prediction.results import Result
        from keras_fcn.prediction.video.predict import is_predicted
        from keras_fcn.prediction.video.reader import UnreadableVideo, VideoReader

        try:
            with VideoReader(job.path, clip, max_pixels) as video:
                if outputs.skip_existing and is_predicted(video, job, outputs):
                    self.add(Result(job.path))
                else:
                    self.add_video(segmenter, video, job, outputs)
        except (UnreadableVideo, FileNotFoundError) as error:
            logger.error("skipped: %s", error)
            self.add(Result(job.path, problem=str(error)))

    def add_video(
        self, segmenter: "Segmenter", video: Any, job: "Job", outputs: "Outputs"
    ) -> None:
        """Predict a video with a progress bar, and print its shares of the classes."""
        from keras_fcn.prediction.results import Result
        from keras_fcn.prediction.video.predict import predict_video
        from keras_fcn.progress import Progress

        progress = Progress(
            description=video.name, total=video.num_frames, unit="frames"
        )
        counts: Any = 0  # then (256,), pixels by class id
        try:
            with closing(predict_video(segmenter, video, job, outputs)) as results:
                for result in results:
                    self._count(result)
                    if not result.problem:
                        progress.update()
                        counts = counts + result.counts
        finally:  # also after Ctrl-C, which ends a camera
            progress.close()
            if progress.n:
                shares = Result(job.path, counts=counts).describe(self._class_map)
                frames = f"{progress.n} frames, {progress.rate:.2f} frames/s"
                self._print(f"{video.name}: {frames}: {shares}")

    def end(self) -> int:
        """Print a summary and where the outputs are, and return the exit status."""
        if self._failed and not self._num_predicted + self._num_skipped:
            return 2  # as for bad input
        count = len(self._predicted)
        counts = f"Predicted {count} file{'' if count == 1 else 's'}"
        if self._num_skipped:
            counts += f", skipped {self._num_skipped} whose outputs exist"
        if self._failed:
            counts += f", failed {len(self._failed)}: {summarize(self._failed)}"
        if len(self._jobs) > 1 or self._failed:
            print(printable(counts))
        files = self._outputs_of(self._first_path)
        names = [str(path.relative_to(self._output_dir)) for path in files]
        names += ["..."] if len(self._jobs) > 1 else []
        listed = f" ({', '.join(names)})" if files else ""
        print(printable(f"Outputs: {self._output_dir}/{listed}"))
        return 1 if self._failed else 0

    def log_interruption(self) -> None:
        """Log how much is done, and how to resume."""
        if self._jobs:
            logger.info(
                "%d of %d files are done. To resume, repeat the command with "
                "`skip_existing`",
                self._file_number,
                len(self._jobs),
            )

    def _count(self, result: "Result") -> None:
        if self._table:
            self._table.add(result, self._name(result.path))
        self._file_number += result.path != self._last_path
        self._last_path = result.path
        if result.problem:
            self._failed.append(self._name(result.path))
        elif result.status == "skipped":
            self._num_skipped += 1
        else:
            self._num_predicted += 1
            self._predicted.add(result.path)
        if not result.problem:
            self._first_path = self._first_path or result.path

    def _name(self, path: Path) -> str:
        """Return the URL of a downloaded file or a stream, and the path of others."""
        return self._names.get(path, str(path))

    def _outputs_of(self, path: Path | None) -> list[Path]:
        """Return the files and folders that were written for a file."""
        from keras_fcn.prediction.jobs import CONFIDENCE, LABELS, OVERLAY

        if path not in self._jobs:  # a camera
            return []
        stem = self._jobs[path].stem
        names = [stem.name + end for end in (LABELS, OVERLAY, CONFIDENCE)]
        found = stem.parent.glob(f"{escape(stem.name)}_*")
        return sorted(each for each in found if each.stem in names)

    def _print(self, line: str) -> None:
        # Flushed, because a pipe would get the lines in blocks of 8 KiB.
        total = max(self._file_number, len(self._jobs))  # a camera is not in it
        print(printable(f"[{self._file_number}/{total}] {line}"), flush=True)
