"""The page in a browser: what is dropped, seen, downloaded, and asked for elsewhere."""

import base64
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from keras_fcn.commands import predict
from keras_fcn.images.reading import read_image
from keras_fcn.prediction.segmenter import load
from street_rendering import render_street
from tests.support.data import PROJECT
from tests.support.films import write_film

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)

pytest.importorskip("gradio")
playwright = pytest.importorskip("playwright.sync_api")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]

# As a browser does when a file is let go over an element.
DROP = """([selector, name, content]) => {
    const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([bytes], name, { type: "image/png" }));
    const event = new DragEvent("drop", { dataTransfer, bubbles: true });
    document.querySelector(selector).dispatchEvent(event);
}"""


def unused_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def served(scored_run):
    """Address of the page of `scored_run`, from a process of its own."""
    port = unused_port()
    command = ("-m", "keras_fcn", "demo", "--model", scored_run.path, "--port", port)
    process = subprocess.Popen(
        [sys.executable, *map(str, command)],
        cwd=PROJECT,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("The page: "):
                break
        assert process.poll() is None, "".join(lines)
        yield re.search(r"http://\S+", lines[-1])[0]
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and "Traceback" not in said


@pytest.fixture
def page(served):
    """The page in Chromium; at its end, nothing has been asked for elsewhere."""
    with playwright.sync_playwright() as browsers:
        browser = browsers.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"]
        )
        page = browser.new_page()
        asked, failures = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.goto(served)
        yield page
        browser.close()
    assert asked and not failures
    hosts = {urlsplit(url).hostname for url in asked if url.startswith(("http", "ws"))}
    assert hosts == {"127.0.0.1"}


@pytest.fixture
def street(tmp_path):
    """Path of a rendered street."""
    image, _ = render_street(seed=2, index=28, height=120, width=160)
    Image.fromarray(image).save(tmp_path / "street.png")
    return tmp_path / "street.png"


def wait_for_answer(page):
    page.wait_for_selector("#answer canvas:visible", timeout=60_000)
    page.wait_for_selector("#answer li")


def test_a_dropped_street_is_shown_and_its_label_map_is_that_of_predict(
    page, scored_run, street, tmp_path, capsys
):
    page.wait_for_selector("#picture input[type=file]", state="attached")
    content = base64.b64encode(street.read_bytes()).decode()
    page.evaluate(DROP, ["#picture button", street.name, content])
    wait_for_answer(page)

    with page.expect_download() as download:
        page.click("#labels")
    assert download.value.suggested_filename == "street_labels.png"
    download.value.save_as(tmp_path / "downloaded.png")
    flags = ["--model", str(scored_run.path), "--output-dir", str(tmp_path / "out")]
    assert predict.main([str(street), *flags]) == 0
    with (
        Image.open(tmp_path / "downloaded.png") as downloaded,
        Image.open(tmp_path / "out/street_labels.png") as written,
    ):
        assert downloaded.mode == "P"
        label_map = np.asarray(downloaded)
        np.testing.assert_array_equal(label_map, written)

    found = page.locator("#answer li span").all_inner_texts()
    names = load(scored_run.path).class_map.names
    assert set(found) == {names[index] for index in np.unique(label_map)}

    # What the pointer is over is told.
    box = page.locator("#answer canvas").bounding_box()
    row, column = 90, 40
    page.locator("#answer canvas").hover(
        position={
            "x": (column + 0.5) * box["width"] / 160,
            "y": (row + 0.5) * box["height"] / 120,
        }
    )
    page.wait_for_selector("#answer .note:visible")
    said = page.locator("#answer .note").inner_text()
    told = re.fullmatch(r"(\w+), (\d+) % sure", said)
    assert told[1] == names[label_map[row, column]]
    confidence = load(scored_run.path).probabilities(street).max(axis=-1)
    assert int(told[2]) == pytest.approx(100 * confidence[row, column], abs=1)

    # Without opacity the picture is the image.
    page.locator("#answer input").fill("0")
    drawn = page.evaluate(
        "Array.from(document.querySelector('#answer canvas').getContext('2d')"
        ".getImageData(0, 0, 160, 120).data)"
    )
    shown = np.array(drawn).reshape(120, 160, 4)[..., :3]
    assert np.abs(shown - read_image(street).astype(int)).mean() < 10  # JPEG


def test_what_is_no_picture_is_told_on_the_page(page, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n no more")
    page.wait_for_selector("#picture input[type=file]", state="attached")
    page.set_input_files("#picture input[type=file]", tmp_path / "bad.png")
    page.get_by_text("bad.png can't be decoded").wait_for(timeout=60_000)
    assert not page.locator("#answer canvas").is_visible()


def test_a_short_film_becomes_one_that_the_browser_plays(page, tmp_path):
    film = write_film(tmp_path / "film.mp4", [100 * n for n in range(10)], sound="aac")
    page.get_by_role("tab", name="Film").click()
    page.wait_for_selector("#film input[type=file]", state="attached")
    page.set_input_files("#film input[type=file]", film)
    page.wait_for_selector("#overlay-film video", timeout=60_000)
    page.wait_for_function(
        "document.querySelector('#overlay-film video').readyState > 0"
    )
    seconds, error = page.evaluate(
        "(film => [film.duration, film.error])"
        "(document.querySelector('#overlay-film video'))"
    )
    assert seconds == pytest.approx(1, abs=0.1) and error is None
    with page.expect_download() as download:
        page.click("#film-labels")
    assert download.value.suggested_filename == "video_labels.mkv"
