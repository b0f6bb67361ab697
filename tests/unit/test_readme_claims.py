"""Each claim of the README about what breaks names tests that there are."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_claim_about_what_breaks_names_tests_that_there_are() -> None:
    text = (ROOT / "README.md").read_text()
    section = text.split("## What happens when things break")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")][2:]
    sources = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(rows) >= 10
    for row in rows:
        named = re.findall(r"`(test_\w+)`", row.split("|")[3])
        assert named, row
        for name in named:
            assert f"def {name}(" in sources, name
