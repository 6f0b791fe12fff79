"""What a worker does: it holds the network, and predicts the images it is sent.

Nothing here knows of Ray, which runs a `Worker` as an actor.
"""

import os
import socket
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue

import keras_fcn
from keras_fcn.ray_prediction.messages import Image, Ready, Row, Settings
from keras_fcn.ray_prediction.storage import Storage, root_of
from keras_fcn.ray_prediction.stream import Call, Stream
from keras_fcn.storage.atomic import TEMPORARY, work_folder

# Where TensorFlow and the other runtimes read how many threads to take.
_THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


class Worker:
    """Predicts images with one network, in a stream that does not end between calls.

    While a call is predicted the images of the next one are read, so that nothing waits
    as long as two are under way.
    """

    def __init__(self, settings: Settings):
        """Make a worker, which has nothing loaded yet.

        Args:
            settings: what to do.
        """
        self.settings = settings
        self._calls: SimpleQueue[Call | None] = SimpleQueue()

    def start(self) -> Ready:
        """Load the network.

        Raises:
            FileNotFoundError: if this machine lacks the network, or does not share the
                output's folder.
            ValueError: if the network is damaged, or the settings don't go together.
        """
        settings = self.settings
        if settings.num_threads:
            os.environ.update(dict.fromkeys(_THREADS, str(settings.num_threads)))
        # After the variables, which count when TensorFlow is imported.
        from keras_fcn.prediction.segmenter import load
        from keras_fcn.runs.bundled import find_network

        host = socket.gethostname()
        self._check_lock(host)
        self._storages = {root: Storage(url) for root, url in settings.roots.items()}
        try:
            network = find_network(settings.model, exported=True)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"The worker on {host} does not find the network: {error}"
            ) from error
        self.segmenter = load(settings.model, **settings.look)
        class_map = network.read_class_map()
        self.ids = [*range(class_map.num_classes), class_map.void_id]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return Ready(
            host, keras_fcn.__version__, network.fingerprint(), class_map.names
        )

    def predict(self, images: Sequence[Image]) -> list[Row]:
        """Predict images and write their outputs.

        Args:
            images: no two have one source; several calls may be under way.

        Returns:
            What came of each, in order; of a file with several images there are several
            rows.

        Raises:
            OSError: if the disk takes no more files.
        """
        call = Call(images)
        self._calls.put(call)
        return call.outcome.result()

    def stop(self) -> None:
        """Leave nothing behind, when all calls are answered."""
        self._calls.put(None)
        self._thread.join()

    def storage_of(self, url: str) -> Storage:
        """Return the file system of one of the settings' URLs.

        Args:
            url: without options.
        """
        return self._storages[root_of(url)]

    def _check_lock(self, host):
        if self.settings.lock is None:
            return
        path, text = self.settings.lock
        try:
            is_there = Path(path).read_text() == text
        except OSError:
            is_there = False
        if not is_there:
            raise FileNotFoundError(
                f"The worker on {host} does not share `output_dir` "
                f"{self.settings.output_dir}: it must be on a disk that all machines "
                "have, or a URL"
            )

    def _serve(self):
        with work_folder(Path(tempfile.gettempdir()), TEMPORARY) as folder:
            while (call := self._calls.get()) is not None:
                Stream(self, folder, self._calls).run(call)
