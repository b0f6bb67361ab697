"""Past videos with filters and pages, and the cards of models."""

import re
from pathlib import Path
from typing import Any

import pytest
from chromium import Visitor, until
from embedded_stack import RunningStack
from playwright.sync_api import Page, expect

PAGE = 20


def names(page: Page) -> list[str]:
    return page.locator(".video-name").all_text_contents()


def test_past_videos_lead_to_their_results(
    visitor: Visitor, judged: dict[str, dict[str, Any]]
) -> None:
    page = visitor.open("/app/videos?show=fake")
    expect(page.get_by_role("combobox", name="Show")).to_have_value("fake")
    assert set(page.locator(".badge").all_text_contents()) == {"! Looks forged"}
    page.locator(f"a[href='/app/videos/{judged['fake']['id']}']").click()
    expect(page.locator("h1")).to_have_text("This video looks forged")
    page.go_back()
    expect(page.get_by_role("combobox", name="Show")).to_have_value("fake")


def test_filters_are_part_of_the_address(
    visitor: Visitor, judged: dict[str, dict[str, Any]]
) -> None:
    page = visitor.open("/app/videos")
    page.get_by_label("Name contains").fill("ASTRONAUT")
    page.get_by_role("combobox", name="Show").select_option("no forgery found")
    page.get_by_role("button", name="Apply").click()
    expect(page).to_have_url(re.compile(r"show=real&name=ASTRONAUT"))
    expect(page.get_by_role("link", name="Clear")).to_be_visible()
    assert set(names(page)) == {"astronaut_real.mp4"}
    page.get_by_label("From").fill("2000-01-01")
    page.get_by_label("To").fill("2000-01-02")
    page.keyboard.press("Enter")
    expect(page.locator(".list-note")).to_have_text("No video is like that.")
    page.go_back()
    expect(page.get_by_label("To")).to_have_value("")
    expect(page.locator(".video-row").first).to_be_visible()
    page.get_by_role("link", name="Clear").click()
    expect(page).to_have_url(re.compile(r"/app/videos$"))


def test_older_videos_are_on_further_pages(
    visitor: Visitor, stack: RunningStack, tmp_path: Path, broken: Path
) -> None:
    content = broken.read_bytes()
    ids = set()
    for number in range(PAGE + 2):
        file = tmp_path / f"page-{number:02}.mp4"
        file.write_bytes(content)
        ids.add(stack.submit(file))
    for video_id in ids:
        stack.wait_for(video_id, "failed")
    page = visitor.open("/app/videos?name=page-")
    first = names(page)
    assert len(first) == PAGE
    page.get_by_role("link", name="Older videos").click()
    expect(page.locator(".video-row")).to_have_count(2)
    assert sorted(first + names(page)) == [f"page-{number:02}.mp4" for number in range(PAGE + 2)]
    page.get_by_role("link", name="Newest").click()
    expect(page.locator(".video-row")).to_have_count(PAGE)
    assert names(page) == first


def test_videos_at_work_change_in_the_list_without_a_reload(
    visitor: Visitor, stack: RunningStack, demo_media: Path
) -> None:
    video_id = stack.submit(demo_media / "hopper_real.mp4")
    page = visitor.open("/app/videos")
    row = page.locator(f"[data-id='{video_id}']")
    page.evaluate("window.neverReloaded = true")
    expect(row.locator(".badge")).to_have_text(re.compile("Looks forged|No forgery|Cannot tell"))
    assert page.evaluate("window.neverReloaded")


def test_a_models_card_is_told_with_intervals_limits_and_figures(
    visitor: Visitor, stack: RunningStack
) -> None:
    [model] = stack.client.get("/models").json()["models"]
    page = visitor.open("/app/models")
    expect(page.locator(".tags")).to_contain_text("judges faces now")
    page.get_by_role("link", name=f"{model['name']} {model['version']}").click()
    expect(page.locator("h1")).to_have_text(f"{model['name']} {model['version']}")
    card = stack.client.get(model["card"]).json()["card"]
    [test] = [
        one for one in card["evaluations"] if (one["split"], one["level"]) == ("test", "video")
    ]
    row = page.locator(".measurements tbody tr").first
    ends = test["auc_interval"]
    told = f"{test['auc']:.2f} ({ends['low']:.2f} to {ends['high']:.2f})"
    expect(row).to_contain_text(told)
    for limit in card["limits"]:
        expect(page.locator(".limits")).to_contain_text(limit)
    expect(page.locator(".training")).to_contain_text(card["training_data"]["description"][:80])
    figures = page.locator(".figures img")
    assert figures.count() == len(model["figures"])
    figures.first.scroll_into_view_if_needed()
    until(page, "document.querySelector('.figures img').naturalWidth > 100")
    expect(page.get_by_role("button", name="Let it judge from now on")).to_be_hidden()


@pytest.mark.parametrize("address", ["/app/videos", "/app/models"])
def test_the_navigation_says_where_one_is(visitor: Visitor, address: str) -> None:
    page = visitor.open(address)
    current = page.locator("nav[aria-label=Main] [aria-current=page]")
    expect(current).to_have_attribute("href", address)
