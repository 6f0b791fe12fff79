"""`completion`: a script for the shell."""

import shutil
import subprocess

import pytest

from keras_fcn.commands import completion
from tests.support.commands import outcome, refusal


@pytest.mark.skipif(shutil.which("bash") is None, reason="Bash is not installed")
def test_bash_completes_commands_flags_and_values(tmp_path, capsys):
    status, script, _ = outcome(completion, capsys, "bash")
    assert status == 0
    (tmp_path / "script").write_text(script)
    for words, expected in (
        (("insp",), "inspect"),
        (("train", "--pati"), "--patience"),
        (("train", "--variant", ""), "32s 16s 8s 4s"),
    ):
        line = " ".join(f"'{word}'" for word in ("keras-fcn", *words))
        program = (
            f"source {tmp_path}/script; COMP_WORDS=({line}); "
            f"COMP_CWORD={len(words)}; _shtab_keras_fcn 2>/dev/null; "
            'echo "${COMPREPLY[@]}"'
        )
        process = subprocess.run(
            ["bash", "-c", program], capture_output=True, text=True, check=True
        )
        assert process.stdout.strip() == expected


def test_another_shell_is_refused(capsys):
    line = refusal(completion, capsys, "fish")
    assert "expected one of bash, zsh, tcsh, got fish" in line
