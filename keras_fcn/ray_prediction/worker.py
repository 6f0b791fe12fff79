"""A worker: loads the network, and predicts the images that it is sent.

This module does not import Ray, which runs a `Worker` as an actor.
"""

import os
import socket
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue

import keras_fcn
from keras_fcn.ray_prediction.messages import Image, Ready, Row, Settings
from keras_fcn.ray_prediction.storage import Storage, root_of
from keras_fcn.ray_prediction.stream import Call, Stream
from keras_fcn.storage.atomic import TEMPORARY, work_folder

# The number of threads of TensorFlow and of the other runtimes.
_THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


class Worker:
    """Predicts images with one network.

    Calls overlap: while the images of a call are predicted, those of the next call are
    read. The network does not wait if two calls are made at a time.
    """

    def __init__(self, settings: Settings):
        """Initialize a worker; `start` loads the network.

        Args:
            settings: network, options and outputs.
        """
        self.settings = settings
        self._calls: SimpleQueue[Call | None] = SimpleQueue()

    def start(self) -> Ready:
        """Load the network.

        Raises:
            FileNotFoundError: if the network or the shared output folder is missing on
                this machine.
            ValueError: if the network is damaged, or the settings exclude one another.
        """
        settings = self.settings
        if settings.num_threads:
            os.environ.update(dict.fromkeys(_THREADS, str(settings.num_threads)))
        # After the variables, which TensorFlow reads when it is imported.
        from keras_fcn.prediction.segmenter import load
        from keras_fcn.runs.bundled import find_network

        host = socket.gethostname()
        if settings.lock is not None:
            path, text = settings.lock
            try:
                is_shared = Path(path).read_text() == text
            except OSError:
                is_shared = False
            if not is_shared:
                raise FileNotFoundError(
                    f"The worker on {host} does not share `output_dir` "
                    f"{settings.output_dir}: it must be on a disk that all machines "
                    "share, or a URL"
                )
        self._storages = {root: Storage(url) for root, url in settings.roots.items()}
        try:
            network = find_network(settings.model, exported=True)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"The network is missing on {host}: {error}"
            ) from error
        self.segmenter = load(settings.model, **asdict(settings.options))
        class_map = network.read_class_map()
        self.ids = [*range(class_map.num_classes), class_map.void_id]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return Ready(
            host, keras_fcn.__version__, network.fingerprint(), class_map.names
        )

    def predict(self, images: Sequence[Image]) -> list[Row]:
        """Predict images and write their outputs.

        Args:
            images: images with different sources. Several threads may call this.

        Returns:
            The rows of each image, in order; a file with several frames has several
            rows.

        Raises:
            OSError: if the disk is full.
        """
        call = Call(images)
        self._calls.put(call)
        return call.outcome.result()

    def stop(self) -> None:
        """Delete the temporary files when all calls have returned."""
        self._calls.put(None)
        self._thread.join()

    def storage_of(self, url: str) -> Storage:
        """Return the file system of a URL.

        Args:
            url: URL without options; its root is in the settings.
        """
        return self._storages[root_of(url)]

    def _run(self):
        with work_folder(Path(tempfile.gettempdir()), TEMPORARY) as folder:
            while (call := self._calls.get()) is not None:
                Stream(self, folder, self._calls).run(call)
