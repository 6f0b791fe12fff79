"""The demo page: segments an image or a short video in the browser.

It is served on 127.0.0.1 only, and loads nothing from other hosts: no fonts, no
scripts, no analytics. Other websites cannot use it: requests with another Host or
Origin are refused. Only uploaded files are opened. Uploads and results are deleted when
it ends.
"""

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from html import escape
from importlib import import_module
from pathlib import Path

from keras_fcn.demo.results import describe_image
from keras_fcn.images.encoding import encode_label_map
from keras_fcn.images.reading import UnreadableImage, read_image
from keras_fcn.prediction.jobs import LABELS, OVERLAY, Job
from keras_fcn.prediction.outputs import Outputs
from keras_fcn.prediction.segmenter import Segmenter
from keras_fcn.prediction.video.predict import predict_video
from keras_fcn.prediction.video.reader import UnreadableVideo, VideoReader

_HOST = "127.0.0.1"
_MAX_DURATION = 60.0  # seconds of a video
_MAX_FRAMES = 3600  # of a video: 60 seconds at 60 frames per second
_MAX_UPLOAD = "500mb"
_SETTINGS = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}


def serve(segmenter: Segmenter, name: str, port: int) -> None:
    """Serve the page until the process is interrupted.

    Args:
        segmenter: the network.
        name: title of the page.
        port: port of 127.0.0.1.

    Raises:
        OSError: if the port is not free.
    """
    with serving(segmenter, name, port) as url:
        print(f"The page: {url} (stop with Ctrl-C)", flush=True)
        threading.Event().wait()


@contextmanager
def serving(segmenter: Segmenter, name: str, port: int) -> Iterator[str]:
    """Serve the page during a block.

    Args:
        segmenter: the network.
        name: title of the page.
        port: port of 127.0.0.1.

    Yields:
        The URL of the page.

    Raises:
        OSError: if the port is not free.
    """
    with tempfile.TemporaryDirectory(prefix="keras-fcn-demo-") as folder:
        # Gradio reads these when it is imported.
        os.environ.update(_SETTINGS, GRADIO_TEMP_DIR=folder)
        gr = import_module("gradio")
        middleware = import_module("starlette.middleware").Middleware
        page = build_page(segmenter, name, Path(folder))
        page.queue(api_open=False)
        page.launch(
            server_name=_HOST,
            server_port=port,
            share=False,
            ssr_mode=False,
            quiet=True,
            footer_links=[],
            prevent_thread_lock=True,
            max_file_size=_MAX_UPLOAD,
            app_kwargs={"middleware": [middleware(SameSiteOnly, port=port)]},
            # Fonts of the machine: Gradio's default ones are downloaded.
            theme=gr.themes.Default(
                font=("system-ui", "sans-serif"),
                font_mono=("ui-monospace", "monospace"),
            ),
        )
        try:
            yield f"http://{_HOST}:{port}"
        finally:
            page.close(verbose=False)


class SameSiteOnly:
    """ASGI middleware that refuses requests of other websites.

    A website whose host name is resolved to 127.0.0.1 (DNS rebinding) sends its own
    name as Host; any other website sends its own as Origin.
    """

    def __init__(self, app, port: int):
        """Wrap an application.

        Args:
            app: the ASGI application.
            port: port on which it is served.
        """
        self._app = app
        self._hosts = [f"{name}:{port}".encode() for name in (_HOST, "localhost")]

    async def __call__(self, scope, receive, send) -> None:
        """Answer a request, with status 403 if it is refused."""
        if scope["type"] != "lifespan":
            headers = dict(scope["headers"])
            host = headers.get(b"host", b"")
            origin = headers.get(b"origin", b"http://" + host)
            if host not in self._hosts or origin != b"http://" + host:
                text = import_module("starlette.responses").PlainTextResponse
                refusal = text("This page accepts its own requests only.", 403)
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)


def build_page(segmenter: Segmenter, name: str, folder: Path):
    """Return the page, a `gradio.Blocks`.

    Args:
        segmenter: the network.
        name: title of the page.
        folder: existing folder of the uploads and of the files to download.
    """
    gr = import_module("gradio")  # of the extra `demo`

    def uploaded(payload):
        """Path of an upload. Gradio checks it only where the request asks for that."""
        if payload is None:
            return None
        path = Path(payload.path or "").resolve()
        if not path.is_relative_to(folder.resolve()):
            raise gr.Error("Only uploaded files are opened", print_exception=False)
        return path

    viewer = {
        argument: Path(__file__).with_name(file_name).read_text()
        for argument, file_name in (
            ("html_template", "viewer.html"),
            ("css_template", "viewer.css"),
            ("js_on_load", "viewer.js"),
        )
    }
    with gr.Blocks(title=f"keras-fcn: {name}", analytics_enabled=False) as page:
        names = escape(", ".join(segmenter.class_map.names))  # may contain HTML
        gr.HTML(f"<h2>{escape(name)}</h2><p>Classes: {names}</p>")
        with gr.Tab("Image"), gr.Row():
            with gr.Column():
                image = gr.Image(
                    label="Image: drop, paste or take one",
                    sources=["upload", "clipboard", "webcam"],
                    type="filepath",
                    elem_id="image",
                )
                # Gradio would open any format that Pillow supports; `read_image` does
                # not.
                image.preprocess = uploaded
                labels = gr.DownloadButton(
                    "Download label map (PNG)", interactive=False, elem_id="labels"
                )
            result = gr.HTML(None, elem_id="result", **viewer)
        with gr.Tab("Video"), gr.Row():
            with gr.Column():
                video = gr.Video(
                    label=f"Video of at most {_MAX_DURATION:.0f} seconds",
                    sources=["upload", "webcam"],
                    elem_id="video",
                )
                video.preprocess = uploaded
                video_labels = gr.DownloadButton(
                    "Download label maps (lossless video)",
                    interactive=False,
                    elem_id="video-labels",
                )
            overlay = gr.Video(label="Overlay", interactive=False, elem_id="overlay")
        progress = gr.Progress()

        def segment_video(path, progress=progress):  # Gradio looks for this default
            return _segment_video(gr, segmenter, path, folder, progress)

        # One at a time, for the memory of one prediction.
        image.change(
            lambda path: _segment_image(gr, segmenter, path, folder),
            image,
            [result, labels],
            concurrency_limit=1,
            api_visibility="private",
        )
        video.change(
            segment_video,
            video,
            [overlay, video_labels],
            concurrency_limit=1,
            api_visibility="private",
        )
    return page


def _segment_image(gr, segmenter, path, folder):
    """Values of the viewer and of the download button."""
    if path is None:
        return None, gr.DownloadButton(value=None, interactive=False)
    try:
        image = read_image(path, value_range=segmenter.value_range)
    except UnreadableImage as error:
        raise gr.Error(str(error), print_exception=False) from error
    label_map, confidence = segmenter.label_and_confidence(image)
    class_map = segmenter.class_map
    target = Path(tempfile.mkdtemp(dir=folder)) / f"{path.stem}_labels.png"
    target.write_bytes(encode_label_map(label_map, class_map))
    result = describe_image(image, label_map, confidence, class_map)
    return result, gr.DownloadButton(value=str(target), interactive=True)


def _segment_video(gr, segmenter, path, folder, progress):
    """Values of the overlay and of the download button."""
    if path is None:
        return None, gr.DownloadButton(value=None, interactive=False)
    job = Job(path, Path(tempfile.mkdtemp(dir=folder)) / path.stem)
    too_long = (
        f"The video must have at most {_MAX_DURATION:.0f} seconds and {_MAX_FRAMES} "
        "frames. Use keras-fcn predict for longer ones."
    )
    try:
        with VideoReader(job.path) as video:
            if (video.duration or 0) > _MAX_DURATION:
                raise UnreadableVideo(too_long)
            outputs = Outputs(video_labels="video")
            with closing(predict_video(segmenter, video, job, outputs)) as results:
                for count, result in enumerate(results, 1):
                    if count > _MAX_FRAMES:  # a file may state no duration
                        raise UnreadableVideo(too_long)
                    progress((count, video.num_frames), unit="frames")
                    if result.problem:
                        gr.Warning(result.problem)
    except UnreadableVideo as error:
        raise gr.Error(str(error), print_exception=False) from error
    overlay, labels = job.output(OVERLAY, ".mp4"), job.output(LABELS, ".mkv")
    return str(overlay), gr.DownloadButton(value=str(labels), interactive=True)
