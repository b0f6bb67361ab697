"""Nothing is installed whose version is not pinned, so that an audit of the pins is one of all."""

import re
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
# What makes the environment, before any pin is read.
INSTALLERS = {"pip", "setuptools", "wheel"}


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return {
        normalised(name): version
        for name, version in (line.split("==") for line in lines if line and line[0] != "#")
    }


def test_everything_that_is_installed_is_pinned() -> None:
    pinned = pins()
    installed = {
        # A local version (`+cpu`) names a build of the same release.
        normalised(found.metadata["Name"]): found.version.partition("+")[0]
        for found in distributions()
    }
    ours = {name for name in installed if name.startswith("unmask-")}
    assert len(ours) == 7
    wrong = {
        name: f"{version} is installed, {pinned.get(name)} is pinned"
        for name, version in installed.items()
        if name not in ours | INSTALLERS and pinned.get(name) != version
    }
    assert wrong == {}


def test_pins_are_exact() -> None:
    assert len(pins()) > 100
    for version in pins().values():
        assert re.fullmatch(r"[0-9][0-9A-Za-z.]*", version)


def test_the_audit_reads_the_pins() -> None:
    recipe = (ROOT / "Makefile").read_text().partition("\naudit:")[2].partition("\n\n")[0]
    assert "pip-audit==" in recipe
    assert "constraints.txt" in recipe
