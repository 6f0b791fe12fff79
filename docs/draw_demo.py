"""Take screenshots of the demo page: `python docs/draw_demo.py`.

Writes docs/demo.png, or, with `--output-dir DIR`, several screenshots of the page on a
wide and on a narrow window (390 pixels). Requires the extras `demo` and `dev`, and
Chromium.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright

PORT = 7869
TARGET = Path(__file__).with_name("demo.png")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def main(argv: list[str] | None = None) -> int:
    """Start the page, and take the screenshots."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output-dir", type=Path, metavar="DIR")
    parser.add_argument("--model", default="fcn8s-camvid")
    arguments = parser.parse_args(argv)
    command = [sys.executable, "-m", "keras_fcn", "demo", "--port", str(PORT)]
    command += ["--model", arguments.model]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            process.stdout.readline()  # printed when the page can be opened
            if arguments.output_dir is None:
                take_screenshots({TARGET: (1180, 800)})
                reduce_colors(TARGET)
            else:
                arguments.output_dir.mkdir(parents=True, exist_ok=True)
                names = {"wide.png": (1180, 800), "narrow.png": (390, 844)}
                take_screenshots(
                    {arguments.output_dir / name: size for name, size in names.items()}
                )
        finally:
            process.terminate()
    return 0


def take_screenshots(sizes: dict[Path, tuple[int, int]]) -> None:
    """Write screenshots of windows of different sizes: the page with a prediction.

    Next to each, NAME-start.png and NAME-video.png are written if there are several.
    """
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as browsers, tempfile.TemporaryDirectory() as folder:
        browser = browsers.chromium.launch(
            executable_path=chromium, args=CHROMIUM_FLAGS
        )
        for path, (width, height) in sizes.items():
            page = browser.new_page(viewport={"width": width, "height": height})
            page.goto(f"http://127.0.0.1:{PORT}")
            page.wait_for_selector("#examples img")
            if len(sizes) > 1:
                shoot(page, path.with_stem(f"{path.stem}-start"))
            page.click("#examples img >> nth=0")
            page.wait_for_selector("#result li", timeout=120_000)
            canvas = page.locator("#result canvas")
            box = canvas.bounding_box()
            # Near the right edge, where the tooltip is on the left of the pointer.
            canvas.hover(position={"x": 0.96 * box["width"], "y": 0.6 * box["height"]})
            page.wait_for_selector("#result .tooltip:visible")
            shoot(page, path)
            if len(sizes) > 1:
                show_video(page, path.with_stem(f"{path.stem}-video"), Path(folder))
            page.close()
        browser.close()


def show_video(page: Page, path: Path, folder: Path) -> None:
    """Take a screenshot during the prediction of a video, and one after it."""
    from tests.support.videos import write_video

    video = write_video(folder / "video.mp4", [100 * n for n in range(40)])
    page.get_by_role("tab", name="Video").click()
    page.set_input_files("#video input[type=file]", video)
    page.wait_for_selector("#cancel:visible", timeout=60_000)
    page.wait_for_timeout(1500)
    shoot(page, path)
    page.wait_for_selector("#overlay video", timeout=300_000)
    page.wait_for_timeout(1000)
    shoot(page, path.with_stem(f"{path.stem}-end"))


def shoot(page: Page, path: Path) -> None:
    """Write a screenshot of the whole page."""
    page.screenshot(path=path, full_page=True)
    print(path)


def reduce_colors(path: Path) -> None:
    """Set the two lowest bits: invisible, and saves a third of the file size."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    Image.fromarray(pixels | 3).save(path, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
