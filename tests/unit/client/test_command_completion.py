"""Completion, by a real bash that has read the script."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

BASH = """
eval "$SCRIPT"
COMP_WORDS=("$@")
COMP_CWORD=$(( $# - 1 ))
function=$(complete -p unmask | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
$function unmask
printf '%s\\n' "${COMPREPLY[@]}"
"""


def script_for(shell: str) -> str:
    command = [sys.executable, "-m", "unmask_client", "completion", shell]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.fixture(scope="module")
def script() -> str:
    return script_for("bash")


def completed(script: str, *words: str) -> list[str]:
    bash = shutil.which("bash")
    assert bash, "bash is needed"
    path = f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}"
    outcome = subprocess.run(
        [bash, "--norc", "-c", BASH, "bash", *words],
        env=os.environ | {"PATH": path, "SCRIPT": script},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert outcome.stderr == ""
    return outcome.stdout.split()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["unmask", "su"], ["submit"]),
        (["unmask", "keys", ""], ["create", "list", "revoke"]),
        (["unmask", "batches", "s"], ["submit", "show"]),
        (["unmask", "submit", "--wa"], ["--wait"]),
        (["unmask", "list", "--status", "c"], ["completed", "cancelled"]),
        (["unmask", "completion", ""], ["bash", "zsh", "fish"]),
        (["unmask", "analyze", "cl"], []),  # bash goes on with names of files
    ],
)
def test_bash_completes(script: str, words: list[str], found: list[str]) -> None:
    assert completed(script, *words) == found


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(shell: str, tmp_path: Path) -> None:
    script = script_for(shell)
    assert f"complete_{shell}" in script
    if interpreter := shutil.which(shell):
        (tmp_path / "script").write_text(script)
        subprocess.run([interpreter, "-n", tmp_path / "script"], check=True, timeout=60)
