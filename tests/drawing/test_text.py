"""Letters of many scripts in images, and wide letters in tables."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from keras_fcn.classes import ClassMap
from keras_fcn.drawing import text as drawing_text
from keras_fcn.drawing.overlays import legend
from keras_fcn.drawing.panels import draw_confusion_matrix, titled
from keras_fcn.drawing.text import padded, text_font

BOX = "\U0010fffd"


@pytest.fixture(autouse=True)
def no_memory():
    drawing_text._font_file.cache_clear()
    yield
    drawing_text._font_file.cache_clear()


@pytest.fixture
def no_system_fonts(monkeypatch):
    monkeypatch.setattr(drawing_text, "_system_fonts", lambda: [])


@pytest.mark.parametrize(
    "text", ["road", "Straße", "à la forêt", "çatı ğ", "λίμνη", "Дорога", "Łódź"]
)
def test_latin_greek_and_cyrillic_are_drawn_without_system_fonts(
    no_system_fonts, caplog, text
):
    font = text_font(text, 14)
    boxes = bytes(font.getmask(BOX))
    assert all(bytes(font.getmask(char)) != boxes for char in text if char != " ")
    assert not caplog.messages


def test_a_font_is_loaded_once():
    assert text_font("road", 14) is text_font("sky", 14)
    assert text_font("Дорога", 14) is text_font("дом", 14)
    assert text_font("road", 14).size != text_font("road", 28).size


def test_a_name_that_no_font_can_draw_is_reported_once(no_system_fonts, caplog):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda size: text_font("道路", size), [14, 28] * 8))
    (line,) = caplog.messages
    assert line.startswith("道路 can't be drawn in images")


def test_the_first_system_font_with_all_letters_is_taken(monkeypatch, tmp_path):
    path = tmp_path / "wanted.ttf"
    path.write_bytes(Path(drawing_text._font_file("Дорога")).read_bytes())
    (tmp_path / "damaged.ttf").write_bytes(b"x")
    fonts = [str(tmp_path / "damaged.ttf"), str(path), "other.ttf"]
    monkeypatch.setattr(drawing_text, "_system_fonts", lambda: fonts)
    has = drawing_text._has
    monkeypatch.setattr(
        drawing_text,
        "_has",
        lambda font, letters: font.path == str(path) and has(font, letters),
    )
    drawing_text._font_file.cache_clear()
    assert drawing_text._font_file("Дорога") == str(path)


def test_legends_titles_and_confusion_matrices_have_the_letters(no_system_fonts):
    boxes = ClassMap((BOX * 4, BOX * 3), ((9, 9, 9), (0, 200, 0)), 255)
    class_map = ClassMap(("čáry", "дом"), ((9, 9, 9), (0, 200, 0)), 255)
    for draw in (
        lambda one: legend(one, [0, 1], 200),
        lambda one: draw_confusion_matrix(np.eye(2, dtype=int), one),
        lambda one: titled(one.names[0], np.zeros((4, 99, 3), "uint8")),
    ):
        drawn, with_boxes = draw(class_map), draw(boxes)
        assert drawn.shape != with_boxes.shape or (drawn != with_boxes).any()
        assert (drawn < 128).any()


@pytest.mark.parametrize("text", ["road", "道路", "건물", "é", "e\u0301", "b" * 9])
def test_padded_texts_take_the_same_columns(text):
    columns = {"道路": 4, "건물": 4, "e\u0301": 1}.get(text, len(text))
    assert padded(text, 8) == text + " " * max(0, 8 - columns)
