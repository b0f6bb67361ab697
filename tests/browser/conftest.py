"""The page in a real browser, on the real stack: `make test-browser`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import Visitor, launch, visiting
from embedded_stack import RunningStack
from playwright.sync_api import Browser, sync_playwright
from strict_stack import StrictStack, strict_stack


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = launch(playwright)
        yield chromium
        chromium.close()


@pytest.fixture
def visitor(browser: Browser, stack: RunningStack) -> Iterator[Visitor]:
    with visiting(browser, str(stack.client.base_url)) as visiting_stack:
        yield visiting_stack


@pytest.fixture(scope="session")
def judged(stack: RunningStack, demo_media: Path) -> dict[str, dict[str, Any]]:
    """Videos that were judged, by their verdict; tests leave them as they are."""
    clips = ("hopper_fake", "astronaut_real", "astronaut_fake")
    ids = [stack.submit(demo_media / f"{clip}.mp4", heatmaps="true") for clip in clips]
    found = [stack.wait_for(video_id, "completed", "failed") for video_id in ids]
    by_verdict = {video["result"]["verdict"]: video for video in found}
    assert by_verdict.keys() == {"fake", "real", "inconclusive"}
    return by_verdict


@pytest.fixture
def fake(judged: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return judged["fake"]


@pytest.fixture(scope="session")
def broken(tmp_path_factory: pytest.TempPathFactory, demo_media: Path) -> Path:
    """A file that begins like a video, and is none."""
    path = tmp_path_factory.mktemp("broken") / "broken.mp4"
    path.write_bytes((demo_media / "astronaut_real.mp4").read_bytes()[:3000])
    return path


@pytest.fixture(scope="session")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StrictStack]:
    with strict_stack(tmp_path_factory.mktemp("strict")) as running:
        yield running


@pytest.fixture
def keyed(browser: Browser, strict: StrictStack) -> Iterator[Visitor]:
    with visiting(browser, str(strict.stack.client.base_url)) as visiting_stack:
        yield visiting_stack
