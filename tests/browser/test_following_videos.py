"""What people see while a video is worked on, and when something goes wrong meanwhile."""

import re
import time
from pathlib import Path

from chromium import Visitor
from embedded_stack import RunningStack
from playwright.sync_api import expect

JUDGED = re.compile("This video looks forged|No forgery was found|Unmask cannot tell")
PREPROCESSOR = "unmask_preprocessor.worker"
UNKNOWN_ID = "01890a5d-ac96-774b-bcce-b302099a8057"


def test_a_video_that_waits_can_be_cancelled(
    visitor: Visitor, stack: RunningStack, demo_media: Path
) -> None:
    with stack.paused(PREPROCESSOR):
        video_id = stack.submit(demo_media / "hopper_real.mp4")
        page = visitor.open(f"/app/videos/{video_id}")
        expect(page.locator("[data-stage=queued]")).to_have_attribute("aria-current", "step")
        page.get_by_role("button", name="Cancel").click()
        dialog = page.get_by_role("dialog", name="Cancel this video?")
        dialog.get_by_role("button", name="Go on").click()
        expect(page.locator("[data-stage=queued]")).to_be_visible()
        page.get_by_role("button", name="Cancel").click()
        dialog.get_by_role("button", name="Cancel the video").click()
        expect(page.locator("h1")).to_have_text("This video was cancelled")
    assert stack.get(video_id)["status"] == "cancelled"


def test_a_server_that_goes_away_loses_nothing(
    visitor: Visitor, stack: RunningStack, demo_media: Path
) -> None:
    with stack.paused(PREPROCESSOR):
        video_id = stack.submit(demo_media / "hopper_real.mp4")
        page = visitor.open(f"/app/videos/{video_id}")
        expect(page.locator("[data-stage=queued]")).to_be_visible()
        gateway = stack.part("unmask_gateway")
        gateway.kill()
        expect(page.locator(".note")).to_contain_text("The server cannot be reached; trying again")
        expect(page.get_by_role("button", name="Try again now")).to_be_visible()
        # The stack starts another one.
        expect(page.locator(".note")).to_contain_text("waits for its turn")
    stack.wait_until_ready()
    expect(page.locator("h1")).to_have_text(JUDGED)


def test_people_are_told_why_a_video_waits(
    visitor: Visitor, stack: RunningStack, demo_media: Path
) -> None:
    with stack.paused(PREPROCESSOR):
        video_id = stack.submit(demo_media / "hopper_real.mp4")
        page = visitor.open(f"/app/videos/{video_id}")
        expect(page.locator(".note")).to_contain_text(re.compile("Others come first|preprocessor"))
        stack.client.delete(f"/videos/{video_id}")
        # Erased by somebody else.
        expect(page.locator("h1")).to_have_text("There is no such video")
        expect(page.locator(".problem-action")).to_contain_text("It may have been deleted.")


def test_an_unknown_video_is_told_with_a_way_on(visitor: Visitor) -> None:
    page = visitor.open(f"/app/videos/{UNKNOWN_ID}")
    expect(page.locator("h1")).to_have_text("There is no such video")
    page.locator("main").get_by_role("link", name="Past videos").click()
    expect(page.locator("h1")).to_have_text("Past videos")


def test_addresses_that_lead_nowhere_are_told(visitor: Visitor) -> None:
    page = visitor.open("/app/videos/01890a5d")
    expect(page.locator("h1")).to_have_text("This is not a video id")
    expect(page.locator(".problem-action")).to_contain_text("The address is not complete.")
    page = visitor.open("/app/nowhere")
    expect(page.locator("h1")).to_have_text("There is nothing at this address")
    page = visitor.open("/app/models/resnet-lstm/99.0.0")
    expect(page.locator("h1")).to_have_text("There is no such model version")


def test_a_network_that_is_back_is_noticed_at_once(visitor: Visitor) -> None:
    page = visitor.open("/app/videos")
    expect(page.locator("h1")).to_have_text("Past videos")
    visitor.shape_network(page, offline=True)
    page.get_by_role("link", name="Models").click()
    expect(page.locator("h1")).to_have_text("The server cannot be reached")
    visitor.shape_network(page)
    started_at = time.monotonic()
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("h1")).to_have_text("Models")
    assert time.monotonic() - started_at < 10
