"""The result of a video: verdict, player and timeline in step, heatmaps, downloads, endings."""

import json
import re
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from checkpoints import DEFAULT_CHECKPOINT
from chromium import Visitor, until
from embedded_stack import RunningStack
from playwright.sync_api import Page, expect

from unmask_shared.model.checkpoint import load_card


def result_of(visitor: Visitor, video: dict[str, Any], **context: Any) -> Page:
    page = visitor.open(f"/app/videos/{video['id']}", **context)
    expect(page.locator("#verdict-title")).to_be_visible()
    return page


def playable(page: Page) -> None:
    until(page, "document.querySelector('video').readyState >= 2")


def slider_value(page: Page) -> float:
    return float(
        page.get_by_role("slider", name="Time in the video").get_attribute("aria-valuenow")
    )


def player_time(page: Page) -> float:
    return float(page.locator("video").evaluate("player => player.currentTime"))


def percent(probability: float) -> str:
    """As the page tells it: nothing is certain."""
    whole = round(probability * 100)
    return {0: "under 1 %", 100: "over 99 %"}.get(whole, f"{whole} %")


@pytest.mark.parametrize(
    ("verdict", "title", "not_proved"),
    [
        ("fake", "This video looks forged", "It is a hint, not a proof"),
        ("real", "No forgery was found", "It does not make the video genuine"),
        ("inconclusive", "Unmask cannot tell", "It speaks neither for nor against the video."),
    ],
)
def test_verdicts_are_told_with_their_uncertainty(
    visitor: Visitor, judged: dict[str, dict[str, Any]], verdict: str, title: str, not_proved: str
) -> None:
    video = judged[verdict]
    page = result_of(visitor, video)
    expect(page.locator("#verdict-title")).to_have_text(title)
    assert page.title().startswith(title)
    shown = page.locator(".percent").text_content()
    assert shown == percent(video["result"]["fake_probability"])
    expect(page.locator(".sureness")).to_contain_text("of these decisions were right")
    expect(page.locator(".not-proved")).to_contain_text(not_proved)
    expect(page.locator(".not-proved")).to_contain_text("Unmask looked at 2.1 of 6.0 seconds")
    zones = page.locator(".scale-bar").get_attribute("aria-label")
    fake_above = load_card(DEFAULT_CHECKPOINT).thresholds.fake_above
    assert f"from {percent(fake_above)} on as forged" in zones


def test_the_timeline_keeps_in_step_with_the_player(visitor: Visitor, fake: dict[str, Any]) -> None:
    page = result_of(visitor, fake)
    playable(page)
    slider = page.get_by_role("slider", name="Time in the video")

    # A click seeks the player.
    slider.click()  # in its middle
    until(page, "Math.abs(document.querySelector('video').currentTime - 3) < 0.1")
    assert slider_value(page) == pytest.approx(3.0, abs=0.1)

    # So do keys; PageUp goes to the next moment that was judged.
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert player_time(page) == pytest.approx(4.0, abs=0.1)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert player_time(page) == pytest.approx(2.0, abs=0.1)
    page.keyboard.press("Home")
    assert player_time(page) == 0
    page.keyboard.press("PageUp")
    second = fake["result"]["faces"][0]["segments"][1]
    assert player_time(page) == pytest.approx(second["start_s"], abs=0.02)
    score = percent(second["fake_probability"])
    expect(page.locator(".readout")).to_contain_text(f"Face 1: {score}")
    assert f"Face 1: {score}" in slider.get_attribute("aria-valuetext")

    # And the timeline follows the player.
    page.locator("video").evaluate("player => { player.currentTime = 1; }")
    until(page, "document.querySelector('.playhead').ariaValueNow === '1.0'")
    slider.focus()
    page.keyboard.press(" ")
    until(page, "Number(document.querySelector('.playhead').ariaValueNow) > 1.2")
    page.keyboard.press(" ")
    until(page, "document.querySelector('video').paused")
    until(
        page,
        "Math.abs(Number(document.querySelector('.playhead').ariaValueNow)"
        " - document.querySelector('video').currentTime) < 0.1",
    )


def test_segments_are_told_apart_without_colours(visitor: Visitor, fake: dict[str, Any]) -> None:
    page = result_of(visitor, fake)
    segments = fake["result"]["faces"][0]["segments"]
    labels = page.locator(".bar-label").all_text_contents()
    assert labels == [
        f"{round(one['fake_probability'] * 100)}%".replace("100%", ">99%") for one in segments
    ]
    page.get_by_text("All moments that were judged, as a table").click()
    rows = page.locator(".moments tbody tr")
    assert rows.count() == len(segments)
    expect(rows.nth(1)).to_contain_text("looks forged")
    playable(page)
    rows.nth(1).get_by_role("button").click()
    assert player_time(page) == pytest.approx(segments[1]["start_s"], abs=0.02)


def test_heatmaps_lie_on_the_face_at_their_time(visitor: Visitor, fake: dict[str, Any]) -> None:
    page = result_of(visitor, fake)
    playable(page)
    heatmap = fake["result"]["faces"][0]["heatmaps"][1]
    page.locator(".heatmaps button").nth(1).click()
    until(page, "document.querySelectorAll('.heat-layer img:not([hidden])').length === 1")
    assert player_time(page) == pytest.approx(heatmap["time_s"], abs=0.04)
    image = page.locator(".heat-layer img:visible")
    until(page, "document.querySelector('.heat-layer img:not([hidden])').naturalWidth > 0")
    shown, screen = image.bounding_box(), page.locator(".screen").bounding_box()
    assert shown
    assert screen
    scale = screen["width"] / fake["source"]["width"]
    box = heatmap["box"]
    middle = screen["x"] + (box["x"] + box["width"] / 2) * scale
    assert shown["x"] + shown["width"] / 2 == pytest.approx(middle, abs=2)
    assert shown["width"] == pytest.approx(box["width"] * scale, rel=0.2)
    # Within the face: the picture and the box overlap nearly wholly.
    top, bottom = screen["y"] + box["y"] * scale, screen["y"] + (box["y"] + box["height"]) * scale
    shared = min(bottom, shown["y"] + shown["height"]) - max(top, shown["y"])
    assert shared > 0.8 * box["height"] * scale

    page.get_by_label("Show heatmaps on the video").uncheck()
    expect(image).to_have_count(0)
    page.get_by_label("Show heatmaps on the video").check()
    times = [one["time_s"] for one in fake["result"]["faces"][0]["heatmaps"]]
    far = max(np.arange(0, 5.5, 0.1), key=lambda time: min(abs(time - one) for one in times))
    page.locator("video").evaluate("(player, time) => { player.currentTime = time; }", float(far))
    expect(page.locator(".heat-layer img:visible")).to_have_count(0)


def test_report_result_and_video_can_be_kept(
    visitor: Visitor, fake: dict[str, Any], demo_media: Path
) -> None:
    page = result_of(visitor, fake, accept_downloads=True)
    kept = {}
    for name in ("the report", "the result (JSON)", "the video"):
        with page.expect_download() as download:
            page.get_by_role("link", name=f"Download {name}").click()
        kept[download.value.suggested_filename] = Path(download.value.path()).read_bytes()
    assert b"This video looks forged" in kept[f"unmask-{fake['id']}.html"]
    assert json.loads(kept[f"unmask-{fake['id']}.json"])["result"]["verdict"] == "fake"
    assert kept["hopper_fake.mp4"] == (demo_media / "hopper_fake.mp4").read_bytes()


def test_a_video_is_analysed_again_and_deleted(
    visitor: Visitor, stack: RunningStack, fake: dict[str, Any]
) -> None:
    page = result_of(visitor, fake)
    page.get_by_text("Analyse it again", exact=True).first.click()
    card = load_card(DEFAULT_CHECKPOINT)
    expect(page.get_by_label("Model", exact=True)).to_contain_text(f"{card.name} {card.version}")
    page.locator(".again-heatmaps").uncheck()
    page.locator(".again-form").get_by_role("button").click()
    expect(page).not_to_have_url(re.compile(fake["id"]))
    expect(page.locator("#verdict-title")).to_have_text("This video looks forged")
    expect(page.locator(".analysis-of a")).to_have_attribute("href", f"/app/videos/{fake['id']}")
    second = page.url.rsplit("/", 1)[1]
    assert stack.get(second)["options"]["heatmaps"] is False

    delete = page.get_by_role("button", name="Delete this video")
    delete.click()
    dialog = page.get_by_role("dialog", name="Delete this video?")
    expect(dialog.get_by_role("button", name="Keep it")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(delete).to_be_focused()
    assert stack.get(second)["status"] == "completed"
    delete.click()
    dialog.get_by_role("button", name="Delete it").click()
    expect(page.locator("h1")).to_have_text("Past videos")
    assert stack.client.get(f"/videos/{second}").status_code == 404
    assert stack.get(fake["id"])["status"] == "completed"


def test_a_video_that_the_browser_cannot_play_keeps_its_timeline(
    visitor: Visitor, stack: RunningStack, demo_media: Path, tmp_path: Path
) -> None:
    video = tmp_path / "old.avi"
    re_encode(demo_media / "hopper_fake.mp4", video)
    state = stack.wait_for(stack.submit(video, heatmaps="true"), "completed", "failed")
    page = result_of(visitor, state)
    expect(page.locator(".player-note")).to_contain_text("Your browser cannot play this kind")
    expect(page.locator("video")).to_be_hidden()
    slider = page.get_by_role("slider", name="Time in the video")
    slider.press("ArrowRight")
    assert slider_value(page) == pytest.approx(1.0)
    page.locator(".heatmaps button").first.click()
    expect(page.locator(".heat-layer img:visible")).to_have_count(1)


def re_encode(source: Path, target: Path) -> None:
    """Write the same pictures as MPEG-4 Part 2 in AVI, which no browser plays."""
    with av.open(str(source)) as taken, av.open(str(target), "w") as made:
        stream = made.add_stream("mpeg4", rate=30, bit_rate=2_000_000)
        stream.width, stream.height = taken.streams.video[0].width, taken.streams.video[0].height
        for frame in taken.decode(video=0):
            made.mux(stream.encode(frame.reformat(format="yuv420p")))
        made.mux(stream.encode())
