"""The demo page: segments an image or a short video in the browser.

It is served on 127.0.0.1 unless another host is given, and loads nothing from other
hosts: no fonts, no scripts, no analytics. Other websites cannot use it: requests with
another Origin, and on 127.0.0.1 with another Host, are refused. Only uploaded files are
opened. Uploads and results are deleted when it ends.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from html import escape
from importlib import import_module
from pathlib import Path

from keras_fcn.demo.results import describe_image
from keras_fcn.drawing.overlays import overlay_with_legend
from keras_fcn.images.encoding import encode_label_map, encode_photograph
from keras_fcn.images.reading import UnreadableImage, read_image
from keras_fcn.prediction.examples import write_examples
from keras_fcn.prediction.jobs import LABELS, OVERLAY, Job
from keras_fcn.prediction.outputs import Outputs
from keras_fcn.prediction.segmenter import Segmenter
from keras_fcn.prediction.video.predict import predict_video
from keras_fcn.prediction.video.reader import UnreadableVideo, VideoReader

LOCAL_HOST = "127.0.0.1"
_MAX_DURATION = 60.0  # seconds of a video
_MAX_FRAMES = 3600  # of a video: 60 seconds at 60 frames per second
_MAX_UPLOAD = "500mb"
_FILES = ("_labels.png", "_overlay.png")
_SETTINGS = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}


@contextmanager
def serving(
    segmenter: Segmenter,
    name: str,
    port: int,
    host: str = LOCAL_HOST,
    users: list[tuple[str, str]] | None = None,
) -> Iterator[str]:
    """Serve the page during a block.

    Args:
        segmenter: the network.
        name: name of the network.
        port: port of the host.
        host: as for `serve`.
        users: as for `serve`.

    Yields:
        The URL of the page.

    Raises:
        OSError: if the port is not free.
    """
    with tempfile.TemporaryDirectory(prefix="keras-fcn-demo-") as folder:
        # Gradio reads these when it is imported.
        os.environ.update(_SETTINGS, GRADIO_TEMP_DIR=folder)
        # Gradio requests its own page, which a proxy of the network can't.
        for variable in ("NO_PROXY", "no_proxy"):
            others = os.environ.get(variable, "")
            os.environ[variable] = ",".join(
                filter(None, (others, LOCAL_HOST, "localhost", host))
            )
        gr = import_module("gradio")
        middleware = import_module("starlette.middleware").Middleware
        page = build_page(segmenter, name, Path(folder))
        page.queue(api_open=False)
        page.launch(
            server_name=host,
            auth=users,
            server_port=port,
            share=False,
            ssr_mode=False,
            quiet=True,
            footer_links=[],
            prevent_thread_lock=True,
            max_file_size=_MAX_UPLOAD,
            app_kwargs={
                "middleware": [
                    middleware(SameSiteOnly, port=port, is_local=host == LOCAL_HOST)
                ]
            },
            # Fonts of the machine: Gradio's default ones are downloaded.
            theme=gr.themes.Default(
                font=("system-ui", "sans-serif"),
                font_mono=("ui-monospace", "monospace"),
            ),
        )
        try:
            yield f"http://{host}:{port}"
        finally:
            page.close(verbose=False)


class SameSiteOnly:
    """ASGI middleware that refuses requests of other websites.

    A website whose host name is resolved to 127.0.0.1 (DNS rebinding) sends its own
    name as Host; any other website sends its own as Origin.
    """

    def __init__(self, app, port: int, is_local: bool = True):
        """Wrap an application.

        Args:
            app: the ASGI application.
            port: port on which it is served.
            is_local: accept requests to 127.0.0.1 and localhost only. The names of a
                machine in a network are not known here.
        """
        names = (LOCAL_HOST, "localhost") if is_local else ()
        self._app = app
        self._hosts = [f"{name}:{port}".encode() for name in names]

    async def __call__(self, scope, receive, send) -> None:
        """Answer a request, with status 403 if it is refused."""
        if scope["type"] != "lifespan":
            headers = dict(scope["headers"])
            host = headers.get(b"host", b"")
            origin = headers.get(b"origin", b"http://" + host)
            is_other = bool(self._hosts) and host not in self._hosts
            if is_other or origin not in (b"http://" + host, b"https://" + host):
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
    examples = [str(path) for path in write_examples(folder / "examples")]
    with gr.Blocks(
        title=f"Semantic segmentation: {name}", analytics_enabled=False
    ) as page:
        names = escape(", ".join(segmenter.class_map.names))  # may contain HTML
        gr.HTML(
            "<h1>Semantic segmentation</h1><p>The network predicts the class of each "
            "pixel of an image or a video: a label map.</p>"
            f"<p><small>Network: {escape(name)}. Classes: {names}.</small></p>"
        )
        with gr.Tab("Image"), gr.Row():
            with gr.Column():
                image = gr.Image(
                    label="Image",
                    sources=["upload", "clipboard", "webcam"],
                    type="filepath",
                    elem_id="image",
                )
                # Gradio would open any format that Pillow supports; `read_image` does
                # not.
                image.preprocess = uploaded
                gr.HTML("Example images")
                gallery = gr.Gallery(
                    examples,
                    show_label=False,
                    columns=3,
                    height=170,
                    allow_preview=False,
                    interactive=False,
                    buttons=[],
                    elem_id="examples",
                )
            with gr.Column():
                result = gr.HTML(None, elem_id="result", **viewer)
                with gr.Row():
                    labels = _download(gr, "Download label map", "labels")
                    drawn = _download(gr, "Download overlay", "drawn")
        with gr.Tab("Video"), gr.Row():
            with gr.Column():
                video = gr.Video(
                    label=f"Video (at most {_MAX_DURATION:.0f} seconds)",
                    sources=["upload", "webcam"],
                    elem_id="video",
                )
                video.preprocess = uploaded
                progress = gr.HTML(visible=False, elem_id="progress")
                cancel = gr.Button("Cancel", visible=False, elem_id="cancel")
            with gr.Column():
                overlay = gr.Video(
                    label="Overlay", interactive=False, elem_id="overlay"
                )
                with gr.Row():
                    video_labels = _download(gr, "Download label map", "video-labels")
                    video_drawn = _download(gr, "Download overlay", "video-drawn")

        def select_example(event: gr.SelectData):  # type: ignore[name-defined]
            return examples[event.index]

        def segment_video(path):
            yield from _segment_video(gr, segmenter, path, folder)

        # One at a time, for the memory of one prediction.
        image.change(
            lambda path: _segment_image(gr, segmenter, path, folder),
            image,
            [result, labels, drawn],
            concurrency_limit=1,
            api_visibility="private",
        )
        outputs = [overlay, video_labels, video_drawn, cancel, progress]
        predicted = video.change(
            segment_video,
            video,
            outputs,
            show_progress="hidden",
            concurrency_limit=1,
            api_visibility="private",
        )
        cancel.click(
            lambda: [*_no_files(gr, 3), *_status(gr)],
            outputs=outputs,
            cancels=[predicted],
            api_visibility="private",
        )
        # Not `gr.Examples`, which replaces the component, with its `preprocess`.
        gallery.select(select_example, outputs=image, api_visibility="private")
    return page


def _download(gr, text, elem_id):
    return gr.DownloadButton(text, interactive=False, elem_id=elem_id)


def _file(gr, path):
    return gr.DownloadButton(value=str(path), interactive=True)


def _no_files(gr, count):
    """Values of an empty result and its download buttons."""
    empty = gr.DownloadButton(value=None, interactive=False)
    return [None, *[empty] * (count - 1)]


def _segment_image(gr, segmenter, path, folder):
    """Values of the viewer and of the download buttons."""
    if path is None:
        return _no_files(gr, 3)
    try:
        image = read_image(path, value_range=segmenter.value_range)
    except UnreadableImage as error:
        raise _error(gr, error, path) from error
    label_map, confidence = segmenter.label_and_confidence(image)
    class_map = segmenter.class_map
    stem = Path(tempfile.mkdtemp(dir=folder)) / path.stem
    labels, drawn = (stem.with_name(stem.name + end) for end in _FILES)
    labels.write_bytes(encode_label_map(label_map, class_map))
    drawn.write_bytes(
        encode_photograph(overlay_with_legend(image, label_map, class_map))
    )
    result = describe_image(image, label_map, confidence, class_map)
    return result, _file(gr, labels), _file(gr, drawn)


def _status(gr, count=None, total=None):
    """Values of the button to cancel and of the progress; both hidden without count."""
    if count is None:
        return gr.Button(visible=False), gr.HTML(visible=False)
    # Without a value, the element shows that the end is unknown.
    value = f' value="{count}" max="{total}"' if total else ""
    words = f"{count} of {total} frames" if total else f"{count} frames"
    bar = f'<progress{value} style="width: 100%"></progress>{words}'
    return gr.Button(visible=True), gr.HTML(bar, visible=True)


def _segment_video(gr, segmenter, path, folder):
    """Yield values of the overlay, the download buttons and the progress.

    Gradio closes the generator between two frames when the user cancels.
    """
    if path is None:
        yield [*_no_files(gr, 3), *_status(gr)]
        return
    yield [*_no_files(gr, 3), *_status(gr, 0)]
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
                    if result.problem:
                        gr.Warning(_message(result.problem, path))
                    yield [*[gr.skip()] * 3, *_status(gr, count, video.num_frames)]
    except UnreadableVideo as error:
        raise _error(gr, error, path) from error
    overlay, labels = job.output(OVERLAY, ".mp4"), job.output(LABELS, ".mkv")
    yield [str(overlay), _file(gr, labels), _file(gr, overlay), *_status(gr)]


def _message(text, path):
    """A message without the folder of the uploads."""
    return text.replace(str(path), path.name)


def _error(gr, error, path):
    return gr.Error(_message(str(error), path), print_exception=False)
