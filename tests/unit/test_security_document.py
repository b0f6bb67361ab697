"""The threat model keeps its word: each of its rows names tests that are there."""

import ast
import re
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from unmask_gateway.access.settings import LimitSettings
from unmask_gateway.outbound.settings import SourceUrlSettings
from unmask_gateway.settings import GatewaySettings
from unmask_gateway.webhooks.settings import WebhookSettings
from unmask_preprocessor.settings import PreprocessorSettings
from unmask_shared.settings import JobSettings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text()
SETTINGS: tuple[type[BaseSettings], ...] = (
    GatewaySettings,
    LimitSettings,
    SourceUrlSettings,
    WebhookSettings,
    PreprocessorSettings,
    JobSettings,
)


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its head."""
    section = TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def functions(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("row", rows("Threats"), ids=lambda row: row[0])
def test_each_threat_has_a_defence_and_tests_that_are_there(row: list[str]) -> None:
    threat, defence, held_by, _left = row
    assert threat
    assert defence
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", held_by)
    assert named, "no test holds this"
    assert re.sub(r"`[^`]+`|[,\s]", "", held_by) == ""
    for path, name in named:
        assert name in functions(path), f"{path} has no {name}"


def test_every_actor_and_every_threat_of_the_issue_is_there() -> None:
    assert len(rows("Who attacks")) >= 8
    assert len(rows("Threats")) >= 30
    for word in ("SSRF", "Slowloris", "presigned", "cookie", "checkpoint", "smuggled", "constant"):
        assert word in TEXT


@pytest.mark.parametrize("row", rows("Limits"), ids=lambda row: row[0])
def test_each_limit_is_the_default_of_its_setting(row: list[str]) -> None:
    _, limit, set_by = row
    name = set_by.strip("`")
    if "/" in name:
        assert (ROOT / name).is_file()
        return
    defaults = {
        f"{group.model_config['env_prefix']}{field}".upper(): info.default
        for group in SETTINGS
        for field, info in group.model_fields.items()
    }
    default = defaults[name]
    assert limit == (f"{default:g}" if isinstance(default, float) else str(default))
