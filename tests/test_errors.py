"""The wording of error messages."""

import pytest

from keras_fcn.errors import (
    check_choice,
    did_you_mean,
    is_out_of_memory,
    one_line,
    printable,
    shortened,
    summarize,
)


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
def test_three_items_are_listed_and_the_others_counted(items, line):
    assert summarize(items) == line


def test_the_number_of_listed_items_can_be_set():
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
def test_only_the_choices_are_accepted(choices):
    check_choice("letter", "b", choices)
    for value in ("c", "", "ab", None, 1):
        with pytest.raises(ValueError) as caught:
            check_choice("letter", value, choices)
        assert str(caught.value) == (
            f"`letter` must be one of a, b. Received: letter={value}"
            + (" (did you mean b?)" if value == "ab" else "")
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
def test_control_characters_are_escaped(text, shown):
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
def test_the_most_similar_word_is_suggested(word, expected):
    assert did_you_mean(word, ("train", "evaluate", "predict")) == expected


def test_long_text_is_cut_to_its_limit():
    assert shortened("x" * 60) == "x" * 60
    assert shortened("x" * 61) == "x" * 57 + "..."
    assert shortened("abcdef", most=5) == "ab..."


def test_a_lack_of_memory_is_recognized():
    jax_error = type("JaxRuntimeError", (RuntimeError,), {})
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(jax_error("RESOURCE_EXHAUSTED: Out of memory allocating"))
    assert not is_out_of_memory(jax_error("INTERNAL: x"))
    assert not is_out_of_memory(RuntimeError("RESOURCE_EXHAUSTED"))
