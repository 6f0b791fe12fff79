"""The demo page in Chromium."""

import base64
import os
import re
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from keras_fcn.commands import predict
from keras_fcn.images.reading import read_image
from keras_fcn.prediction.segmenter import load
from street_rendering import render_street
from tests.support.data import PROJECT
from tests.support.ports import unused_port
from tests.support.videos import write_video

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("gradio") is None, reason="Gradio is not installed"),
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]

# The events of dropping a file on an element.
DROP = """([selector, name, content]) => {
    const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([bytes], name, { type: "image/png" }));
    const event = new DragEvent("drop", { dataTransfer, bubbles: true });
    document.querySelector(selector).dispatchEvent(event);
}"""


@pytest.fixture(scope="module")
def served(wide_run):
    """URL of the page of `wide_run`, which another process serves."""
    port = unused_port()
    command = ("-m", "keras_fcn", "demo", "--model", wide_run.path, "--port", port)
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
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and "Traceback" not in output


@pytest.fixture
def page(served):
    """The page in Chromium; checks at the end that no other host was requested."""
    with playwright.sync_playwright() as browsers:
        browser = browsers.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"]
        )
        page = browser.new_page()
        requested, failures = [], []
        page.on("request", lambda request: requested.append(request.url))
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.goto(served)
        yield page
        browser.close()
    assert requested and not failures
    hosts = {
        urlsplit(url).hostname for url in requested if url.startswith(("http", "ws"))
    }
    assert hosts == {"127.0.0.1"}


@pytest.fixture
def street(tmp_path):
    """Path of a rendered street."""
    image, _ = render_street(seed=2, index=28, height=120, width=160)
    Image.fromarray(image).save(tmp_path / "street.png")
    return tmp_path / "street.png"


def wait_for_result(page):
    page.wait_for_selector("#result canvas:visible", timeout=60_000)
    page.wait_for_selector("#result li")


def test_dropped_image_is_displayed_with_the_label_map_of_predict(
    page, wide_run, street, tmp_path, capsys
):
    page.wait_for_selector("#image input[type=file]", state="attached")
    content = base64.b64encode(street.read_bytes()).decode()
    page.evaluate(DROP, ["#image button", street.name, content])
    wait_for_result(page)

    with page.expect_download() as download:
        page.click("#labels")
    assert download.value.suggested_filename == "street_labels.png"
    download.value.save_as(tmp_path / "downloaded.png")
    flags = ["--model", str(wide_run.path), "--output-dir", str(tmp_path / "out")]
    assert predict.main([str(street), *flags]) == 0
    with (
        Image.open(tmp_path / "downloaded.png") as downloaded,
        Image.open(tmp_path / "out/street_labels.png") as written,
    ):
        assert downloaded.mode == "P"
        label_map = np.asarray(downloaded)
        np.testing.assert_array_equal(label_map, written)

    found = page.locator("#result li span").all_inner_texts()
    names = load(wide_run.path).class_map.names
    assert set(found) == {names[index] for index in np.unique(label_map)}

    # The tooltip names class and confidence of the pixel below the pointer.
    box = page.locator("#result canvas").bounding_box()
    row, column = 90, 40
    page.locator("#result canvas").hover(
        position={
            "x": (column + 0.5) * box["width"] / 160,
            "y": (row + 0.5) * box["height"] / 120,
        }
    )
    page.wait_for_selector("#result .tooltip:visible")
    text = page.locator("#result .tooltip").inner_text()
    found_class = re.fullmatch(r"(\w+), confidence (\d+) %", text)
    assert found_class[1] == names[label_map[row, column]]
    confidence = load(wide_run.path).probabilities(street).max(axis=-1)
    # Near the right border it is still inside the image.
    right = {"x": box["width"] - 3, "y": box["height"] - 3}
    page.locator("#result canvas").hover(position=right)
    tip = page.locator("#result .tooltip").bounding_box()
    assert tip["x"] + tip["width"] <= box["x"] + box["width"]
    assert tip["y"] + tip["height"] <= box["y"] + box["height"]
    assert int(found_class[2]) == pytest.approx(100 * confidence[row, column], abs=1)

    # At opacity 0 the canvas is the image.
    page.locator("#result input").fill("0")
    pixels = page.evaluate(
        "Array.from(document.querySelector('#result canvas').getContext('2d')"
        ".getImageData(0, 0, 160, 120).data)"
    )
    shown = np.array(pixels).reshape(120, 160, 4)[..., :3]
    assert np.abs(shown - read_image(street).astype(int)).mean() < 10  # JPEG


def test_invalid_image_is_an_error_on_the_page(page, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n no more")
    page.wait_for_selector("#image input[type=file]", state="attached")
    page.set_input_files("#image input[type=file]", tmp_path / "bad.png")
    page.get_by_text("bad.png can't be decoded").wait_for(timeout=60_000)
    assert not page.locator("#result canvas").is_visible()


def test_overlay_of_a_video_is_played_by_the_browser(page, tmp_path):
    video = write_video(
        tmp_path / "video.mp4", [100 * n for n in range(10)], sound="aac"
    )
    page.get_by_role("tab", name="Video").click()
    page.wait_for_selector("#video input[type=file]", state="attached")
    page.set_input_files("#video input[type=file]", video)
    page.wait_for_selector("#overlay video", timeout=60_000)
    page.wait_for_function("document.querySelector('#overlay video').readyState > 0")
    seconds, error = page.evaluate(
        "(video => [video.duration, video.error])"
        "(document.querySelector('#overlay video'))"
    )
    assert seconds == pytest.approx(1, abs=0.1) and error is None
    with page.expect_download() as download:
        page.click("#video-labels")
    assert download.value.suggested_filename == "video_labels.mkv"


def test_an_example_is_predicted_and_its_overlay_downloaded(page, tmp_path):
    page.set_viewport_size({"width": 390, "height": 844})
    page.click("#examples img >> nth=1")
    wait_for_result(page)
    with page.expect_download() as download:
        page.click("#drawn")
    assert download.value.suggested_filename == "street-2_overlay.png"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
