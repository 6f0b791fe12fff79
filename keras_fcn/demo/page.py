"""The page: a picture or a short film goes in, its classes come out.

It is served to this machine alone, and loads nothing from elsewhere: no fonts, no
scripts, no analytics. What it is given stays in a folder that ends with it.
"""

import os
import tempfile
import threading
from pathlib import Path

from keras_fcn.demo.results import describe_image
from keras_fcn.images.encoding import encode_label_map
from keras_fcn.images.reading import UnreadableImage, read_image
from keras_fcn.prediction.jobs import LABELS, OVERLAY, Job
from keras_fcn.prediction.pictures import Outputs
from keras_fcn.prediction.segmenter import Segmenter
from keras_fcn.prediction.video.predict import predict_video
from keras_fcn.prediction.video.reader import UnreadableVideo, VideoReader

_HOST = "127.0.0.1"  # this machine
_LONGEST_FILM = 60.0  # seconds
_SETTINGS = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}


def serve(segmenter: Segmenter, name: str, port: int) -> None:
    """Serve the page until the process is interrupted.

    Args:
        segmenter: the network.
        name: what the page calls it.
        port: of 127.0.0.1.

    Raises:
        OSError: if the port is not free.
    """
    with tempfile.TemporaryDirectory(prefix="keras-fcn-demo-") as folder:
        # Gradio reads these when it is imported.
        os.environ.update(_SETTINGS, GRADIO_TEMP_DIR=folder)
        page = build_page(segmenter, name, Path(folder))
        page.launch(
            server_name=_HOST,
            server_port=port,
            share=False,
            ssr_mode=False,
            quiet=True,
            footer_links=[],
            prevent_thread_lock=True,
            theme=_theme(),
        )
        print(f"The page: http://{_HOST}:{port} (Ctrl-C ends it)", flush=True)
        try:
            threading.Event().wait()
        finally:
            page.close(verbose=False)


def build_page(segmenter: Segmenter, name: str, folder: Path):
    """Return the page, a `gradio.Blocks`.

    Args:
        segmenter: the network.
        name: what the page calls it.
        folder: gets the files that can be downloaded.
    """
    import gradio as gr

    with gr.Blocks(title=f"keras-fcn: {name}", analytics_enabled=False) as page:
        gr.Markdown(f"## {name}\n{', '.join(segmenter.class_map.names)}")
        with gr.Tab("Picture"), gr.Row():
            with gr.Column():
                image = _picture_input(gr)
                labels = gr.DownloadButton(
                    "Label map (PNG)", interactive=False, elem_id="labels"
                )
            answer = _viewer(gr)
        with gr.Tab("Film"), gr.Row():
            with gr.Column():
                film = gr.Video(
                    label=f"Film of up to {_LONGEST_FILM:.0f} seconds",
                    sources=["upload", "webcam"],
                    elem_id="film",
                )
                video_labels = gr.DownloadButton(
                    "Label maps (lossless film)",
                    interactive=False,
                    elem_id="film-labels",
                )
            made = gr.Video(label="Overlay", interactive=False, elem_id="overlay-film")
        image.change(
            lambda path: _answer_image(gr, segmenter, path, folder),
            image,
            [answer, labels],
            concurrency_limit=1,  # the network has one at a time
        )
        progress = gr.Progress()  # Gradio finds it among the defaults

        def answer_film(path, progress=progress):
            return _answer_film(gr, segmenter, path, folder, progress)

        film.change(
            answer_film,
            film,
            [made, video_labels],
            concurrency_limit=1,
        )
    return page


def _picture_input(gr):
    """Takes a picture, and gives the path of its file."""
    image = gr.Image(
        label="Picture: drop, paste or photograph one",
        sources=["upload", "clipboard", "webcam"],
        type="filepath",
        elem_id="picture",
    )
    # Gradio's own would have Pillow open whatever is called a picture.
    image.preprocess = lambda payload: payload and payload.path
    return image


def _viewer(gr):
    def read(name):
        return Path(__file__).with_name(name).read_text()

    return gr.HTML(
        None,
        html_template=read("viewer.html"),
        css_template=read("viewer.css"),
        js_on_load=read("viewer.js"),
        elem_id="answer",
    )


def _answer_image(gr, segmenter, path, folder):
    """Values of the viewer and of the button below the picture."""
    if path is None:
        return None, gr.DownloadButton(value=None, interactive=False)
    try:
        image = read_image(Path(path))
    except UnreadableImage as error:
        raise gr.Error(str(error), print_exception=False) from error
    label_map, confidence = segmenter.label_and_confidence(image)
    class_map = segmenter.class_map
    target = _new_folder(folder) / f"{Path(path).stem}_labels.png"
    target.write_bytes(encode_label_map(label_map, class_map))
    answer = describe_image(image, label_map, confidence, class_map)
    return answer, gr.DownloadButton(value=str(target), interactive=True)


def _answer_film(gr, segmenter, path, folder, progress):
    """Overlay and label maps of a film."""
    if path is None:
        return None, gr.DownloadButton(value=None, interactive=False)
    job = Job(Path(path), _new_folder(folder) / Path(path).stem)
    outputs = Outputs(video_labels="film")
    try:
        with VideoReader(job.path) as film:
            if (film.duration or 0) > _LONGEST_FILM:
                raise gr.Error(
                    f"The page takes films of up to {_LONGEST_FILM:.0f} seconds; this "
                    f"one has {film.duration:.0f}: keras-fcn predict takes any.",
                    print_exception=False,
                )
            results = predict_video(segmenter, film, job, outputs)
            for count, result in enumerate(results, 1):
                progress((count, film.num_frames), unit="frames")
                if result.problem:
                    gr.Warning(result.problem)
    except UnreadableVideo as error:
        raise gr.Error(str(error), print_exception=False) from error
    overlay, labels = job.output(OVERLAY, ".mp4"), job.output(LABELS, ".mkv")
    return str(overlay), gr.DownloadButton(value=str(labels), interactive=True)


def _new_folder(folder):
    return Path(tempfile.mkdtemp(dir=folder))


def _theme():
    import gradio as gr

    # Fonts that the machine has: Gradio's own would be asked for elsewhere.
    return gr.themes.Default(
        font=("system-ui", "sans-serif"), font_mono=("ui-monospace", "monospace")
    )
