"""How errors are worded."""

import pytest

from keras_fcn.errors import check_choice, did_you_mean, one_line, printable, summarize


@pytest.mark.parametrize(
    ("items", "line"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b", "c"], "a; b; c"),
        (["a", "b", "c", "d"], "a; b; c; and 1 more"),
        (("a", "b", "c", "d", "e"), "a; b; c; and 2 more"),
    ],
)
def test_three_items_are_told_and_the_others_counted(items, line):
    assert summarize(items) == line


def test_more_or_fewer_items_are_told_on_demand():
    assert summarize(["a", "b", "c"], most=1) == "a; and 2 more"
    assert summarize(["a", "b", "c", "d"], most=4) == "a; b; c; d"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("one line"), "one line"),
        (OSError("two\n  lines,\tand tabs \n"), "two lines, and tabs"),
        (RuntimeError(), "RuntimeError"),
        (KeyError("name"), "'name'"),
        (ValueError(" \n "), "ValueError"),
    ],
)
def test_a_message_becomes_one_line_and_is_never_empty(error, line):
    assert one_line(error) == line


@pytest.mark.parametrize("choices", [("a", "b"), ["a", "b"], {"a": 1, "b": 2}])
def test_a_choice_is_taken_and_anything_else_refused(choices):
    check_choice("letter", "b", choices)
    for value in ("c", "", "ab", None, 1):
        with pytest.raises(ValueError) as caught:
            check_choice("letter", value, choices)
        assert str(caught.value) == (
            f"`letter` must be one of a, b. Received: letter={value}"
        )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a road é 漢 😀.png", "a road é 漢 😀.png"),
        ("\x1b[2J\x07", r"\x1b[2J\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("a\nb\r\t", r"a\nb\r\t"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\udcff.png", r"\udcff.png"),  # a byte of a file name that is no text
        ("\u2028", r"\u2028"),
    ],
)
def test_what_would_steer_a_terminal_is_written_out(text, shown):
    assert printable(text) == shown
    assert one_line(ValueError(text)).isprintable()


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("trian", " (did you mean train?)"),
        ("evaluation", " (did you mean evaluate?)"),
        ("zzz", ""),
    ],
)
def test_the_nearest_word_is_offered_where_one_is_near(word, expected):
    assert did_you_mean(word, ("train", "evaluate", "predict")) == expected
