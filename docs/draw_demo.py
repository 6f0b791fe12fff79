"""Write docs/demo.png, a screenshot of the demo page: `python docs/draw_demo.py`.

Requires the extras `demo` and `dev`, and Chromium.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

from street_rendering import render_street

PORT = 7869
TARGET = Path(__file__).with_name("demo.png")


def main() -> int:
    """Start the page, upload a rendered street scene and take a screenshot."""
    command = [sys.executable, "-m", "keras_fcn", "demo", "--port", str(PORT)]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process,
    ):
        street = Path(folder, "street.png")
        scene, _ = render_street(seed=2, index=28, height=360, width=480)
        Image.fromarray(scene).save(street)
        try:
            process.stdout.readline()  # printed when the page can be opened
            take_screenshot(street)
        finally:
            process.terminate()
    with Image.open(TARGET) as image:
        pixels = np.asarray(image.convert("RGB"))
    # Setting the two lowest bits is invisible and saves a third of the file size.
    Image.fromarray(pixels | 3).save(TARGET, optimize=True)
    print(TARGET)
    return 0


def take_screenshot(street: Path) -> None:
    """Upload an image to the page and write a screenshot to `TARGET`."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as browsers:
        browser = browsers.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1180, "height": 760})
        page.goto(f"http://127.0.0.1:{PORT}")
        page.set_input_files("#image input[type=file]", street)
        page.wait_for_selector("#result li")
        page.locator("#result canvas").hover(position={"x": 300, "y": 270})
        page.wait_for_selector("#result .tooltip:visible")
        page.screenshot(path=TARGET)
        browser.close()


if __name__ == "__main__":
    sys.exit(main())
