"""For everybody: axe-core, the keyboard alone, narrow screens, dark mode, less motion."""

from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from chromium import Visitor, until
from embedded_stack import RunningStack
from playwright.sync_api import Page, expect

PHONE = 360
UNKNOWN_ID = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.fixture(scope="session")
def views(judged: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Addresses of all views, with what shows that they are complete."""
    model = judged["fake"]["model"]
    return {
        "/": ".drop",
        f"/app/videos/{judged['fake']['id']}": "#verdict-title",
        f"/app/videos/{judged['real']['id']}": "#verdict-title",
        f"/app/videos/{judged['inconclusive']['id']}": "#verdict-title",
        f"/app/videos/{UNKNOWN_ID}": ".problem",
        "/app/videos": ".video-row",
        "/app/models": ".models h2",
        f"/app/models/{model['name']}/{model['version']}": ".measurements td",
    }


def open_all_details(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")


@pytest.mark.parametrize(("width", "scheme"), [(1100, "light"), (PHONE, "dark")])
def test_axe_finds_no_violations_in_any_view(
    visitor: Visitor, views: dict[str, str], width: int, scheme: str
) -> None:
    found = {}
    page = visitor.open("/", width=width, color_scheme=scheme)
    for address, complete in views.items():
        page.goto(address)
        expect(page.locator(complete).first).to_be_visible()
        open_all_details(page)
        results = Axe().run(page)
        assert len(results.response["passes"]) > 10
        if results.violations_count:
            found[address] = results.generate_report()
    assert found == {}


def test_axe_finds_no_violations_while_a_video_is_sent_and_in_dialogs(
    visitor: Visitor, demo_media: Path
) -> None:
    page = visitor.open()
    visitor.shape_network(page, upload_bytes_per_s=50_000)
    page.locator(".drop input").set_input_files(demo_media / "hopper_fake.mp4")
    expect(page.locator(".stages")).to_be_visible()
    assert Axe().run(page).violations_count == 0
    page.get_by_role("link", name="Models").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert Axe().run(page).violations_count == 0
    page.get_by_role("button", name="Stop and leave").click()
    expect(page.locator("h1")).to_have_text("Models")


def test_nothing_is_wider_than_a_phone(visitor: Visitor, views: dict[str, str]) -> None:
    page = visitor.open("/", width=PHONE)
    for address, complete in views.items():
        page.goto(address)
        expect(page.locator(complete).first).to_be_visible()
        open_all_details(page)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= PHONE, address


def test_dark_mode_is_dark_and_light_mode_is_light(visitor: Visitor) -> None:
    def brightness(scheme: str) -> float:
        page = visitor.open("/", color_scheme=scheme)
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(int(part) for part in colour[4:-1].split(",")) / 3

    assert brightness("dark") < 40
    assert brightness("light") > 220


def test_nothing_turns_for_those_who_want_less_motion(
    visitor: Visitor, stack: RunningStack
) -> None:
    page = visitor.open("/", reduced_motion="reduce")
    name = page.evaluate(
        """() => {
          const list = document.createElement("ol");
          list.className = "stages";
          list.append(document.createElement("li"));
          list.firstChild.setAttribute("aria-current", "step");
          document.body.append(list);
          return getComputedStyle(list.firstChild, "::before").animationName;
        }"""
    )
    assert name == "none"


def press_until(page: Page, selector: str, *, key: str = "Tab", most: int = 40) -> None:
    for _ in range(most):
        page.keyboard.press(key)
        if page.evaluate("(wanted) => document.activeElement.matches(wanted)", selector):
            return
    raise AssertionError(f"{selector} is not reached with {key}")


def test_the_keyboard_alone_leads_from_a_video_to_its_result_and_back(
    visitor: Visitor, demo_media: Path
) -> None:
    page = visitor.open()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    # Chromium is told to hand the dialog over without an answer: the way to the field gives it
    # time.
    with page.expect_file_chooser() as chooser:
        press_until(page, ".drop input")
        page.keyboard.press("Enter")
    chooser.value.set_files(demo_media / "hopper_fake.mp4")
    expect(page.locator("#verdict-title")).to_be_visible()
    # Reading goes on at the verdict, and it was told.
    expect(page.locator("#verdict-title")).to_be_focused()
    expect(page.locator("#announcer")).to_have_text("Finished: This video looks forged")

    until(page, "document.querySelector('video').readyState >= 1")
    press_until(page, ".playhead")
    page.keyboard.press("ArrowRight")
    assert page.locator("video").evaluate("player => player.currentTime") == pytest.approx(
        1, abs=0.1
    )
    press_until(page, ".heatmaps button")
    page.keyboard.press("Enter")
    expect(page.locator(".heat-layer img:visible")).to_have_count(1)
    press_until(page, ".erase")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    press_until(page, "dialog [data-answer=yes]", key="Shift+Tab", most=3)
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Past videos")
    expect(page.locator("h1")).to_be_focused()


def test_landmarks_and_live_regions_have_names(visitor: Visitor, fake: dict[str, Any]) -> None:
    page = visitor.open(f"/app/videos/{fake['id']}")
    expect(page.locator("#verdict-title")).to_be_visible()
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()
    expect(page.get_by_role("main")).to_be_visible()
    expect(page.get_by_role("region", name="This video looks forged")).to_be_visible()
    expect(page.get_by_role("region", name="The video, moment by moment")).to_be_visible()
    assert page.locator("h1").count() == 1
    assert page.locator("#announcer").get_attribute("role") == "status"


def test_waiting_is_told_each_time_and_not_after_it_is_over(visitor: Visitor) -> None:
    page = visitor.open()
    page.evaluate(
        """() => {
          window.told = [];
          const announcer = document.getElementById("announcer");
          new MutationObserver(() => window.told.push(announcer.textContent))
            .observe(announcer, { childList: true });
        }"""
    )
    visitor.shape_network(page, latency_ms=2000)
    for name in ("Models", "Past videos"):
        page.get_by_role("link", name=name).click()
        expect(page.locator("h1")).to_have_text(name)
    expect(page.locator("#announcer")).to_be_empty()
    assert page.evaluate("window.told") == ["Loading", "", "Loading", ""]
