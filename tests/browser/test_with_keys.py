"""The page where the server asks for keys and has tight limits."""

import re
import time
from contextlib import ExitStack
from pathlib import Path

from chromium import PATIENCE_MS, Visitor, until
from file_server import sends
from playwright.sync_api import Page, expect
from strict_stack import ADMIN_KEY, MAX_UPLOAD_BYTES, UPLOADS_PER_MINUTE, StrictStack

JUDGED = re.compile("This video looks forged|No forgery was found|Unmask cannot tell")


def enter(page: Page, key: str) -> None:
    page.get_by_label("API key, from whoever runs this server").fill(key)
    page.get_by_role("button", name="Use this key").click()


def send(page: Page, file: Path) -> None:
    page.locator(".drop input").set_input_files(file)


def check_link(page: Page, url: str) -> None:
    page.get_by_label("Or paste a link to a video file").fill(url)
    page.get_by_role("button", name="Check the link").click()


def test_a_key_is_asked_for_and_everything_works_with_it(
    keyed: Visitor, strict: StrictStack, demo_media: Path
) -> None:
    page = keyed.open("/app/videos", accept_downloads=True)
    expect(page.get_by_label("API key, from whoever runs this server")).to_be_focused()
    enter(page, "unmask_0000_wrong")
    expect(page.locator(".key-note")).to_contain_text("The API key is not valid")
    enter(page, strict.new_key())
    expect(page.locator(".list-note")).to_contain_text("There is no video yet.")

    page.get_by_role("link", name="Check a video").click()
    send(page, demo_media / "hopper_fake.mp4")
    expect(page.locator("#verdict-title")).to_have_text("This video looks forged")
    # Players send no key, so the page gets them an address; pictures it fetches for them.
    until(page, "document.querySelector('video').readyState >= 1")
    assert "/playback?token=" in page.locator("video").evaluate("player => player.src")
    thumbnail = page.locator(".thumbnail")
    thumbnail.scroll_into_view_if_needed()
    until(page, "document.querySelector('.thumbnail').naturalWidth > 0")
    page.locator(".heatmaps button").first.click()
    until(page, "document.querySelector('.heat-layer img:not([hidden])')?.naturalWidth > 0")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the report").click()
    assert b"This video looks forged" in Path(download.value.path()).read_bytes()

    # The key stays in its tab, and others do not see the video.
    stranger = keyed.open(page.url)
    enter(stranger, strict.new_key())
    expect(stranger.locator("h1")).to_have_text("There is no such video")

    page.goto("/")
    page.get_by_role("button", name="Use another key").click()
    expect(page.get_by_label("API key, from whoever runs this server")).to_be_visible()


def test_a_video_goes_on_where_it_was_when_its_address_has_expired(
    keyed: Visitor, strict: StrictStack, demo_media: Path
) -> None:
    with (demo_media / "hopper_fake.mp4").open("rb") as file:
        sent = strict.admin.post("/videos", files={"file": ("clip.mp4", file, "video/mp4")})
    page = keyed.open(f"/app/videos/{sent.json()['id']}")
    enter(page, ADMIN_KEY)
    expect(page.locator("#verdict-title")).to_have_text(JUDGED)
    until(page, "document.querySelector('video').readyState >= 1")
    player = page.locator("video")
    player.evaluate("player => { player.currentTime = 0.5; }")
    until(page, "document.querySelector('video').currentTime === 0.5")
    expired = f"/playback?token={'A' * 43}"
    player.evaluate("(player, address) => { player.src = address; }", expired)
    until(page, "document.querySelector('video').readyState >= 1")
    until(page, "document.querySelector('video').currentTime === 0.5")
    assert expired not in player.evaluate("player => player.src")
    expect(page.locator(".player-note")).to_be_hidden()


def test_a_link_is_fetched_by_the_server(
    keyed: Visitor, strict: StrictStack, demo_media: Path
) -> None:
    strict.files.answers["/clip.mp4"] = sends((demo_media / "astronaut_real.mp4").read_bytes())
    page = keyed.open()
    enter(page, strict.new_key())
    check_link(page, strict.files.url("/clip.mp4"))
    expect(page.locator("#verdict-title")).to_have_text(JUDGED)
    expect(page.locator(".result-head .filename")).to_have_text("clip.mp4")

    page.get_by_role("link", name="Check a video").click()
    check_link(page, strict.files.url("/gone.mp4"))
    expect(page.locator("h1")).to_have_text("The video cannot be fetched from its URL")
    expect(page.locator(".problem-action")).to_contain_text("or send the file itself")


def test_what_is_too_large_is_refused_before_and_by_the_server(
    keyed: Visitor, strict: StrictStack, demo_media: Path, tmp_path: Path
) -> None:
    large = tmp_path / "large.mp4"
    clip = (demo_media / "hopper_fake.mp4").read_bytes()
    large.write_bytes(clip + bytes(MAX_UPLOAD_BYTES))
    page = keyed.open()
    enter(page, strict.new_key())
    send(page, large)
    expect(page.locator("h1")).to_have_text("The video is too large")
    expect(page.locator(".problem-detail")).to_contain_text("this server takes up to 5.0 MB")

    strict.files.answers["/large.mp4"] = sends(large.read_bytes())
    page.get_by_role("link", name="Check another video").click()
    check_link(page, strict.files.url("/large.mp4"))
    expect(page.locator("h1")).to_have_text("The upload is too large")
    expect(page.locator(".problem-action")).to_contain_text("Cut or re-encode the video")


def test_who_sends_too_much_is_told_when_to_try_again(
    keyed: Visitor, strict: StrictStack, tmp_path: Path
) -> None:
    text = tmp_path / "notes.mp4"
    text.write_text("This is no video. " * 100)
    page = keyed.open()
    enter(page, strict.new_key())
    for _ in range(UPLOADS_PER_MINUTE):
        send(page, text)
        expect(page.locator("h1")).to_have_text("The file is not a video")
        page.get_by_role("link", name="Check another video").click()
    send(page, text)
    expect(page.locator("h1")).to_have_text("Too many requests with this key")
    expect(page.locator(".problem-action")).to_contain_text("Wait a moment.")
    again = page.get_by_role("button", name=re.compile(r"Try again in \d+ s"))
    expect(again).to_be_disabled()
    page.get_by_role("link", name="Check another video").click()
    expect(page.locator(".drop")).to_be_visible()


def test_where_no_events_are_to_be_had_the_page_asks_again_and_again(
    keyed: Visitor, strict: StrictStack, demo_media: Path
) -> None:
    def submit(name: str) -> str:
        with (demo_media / "hopper_real.mp4").open("rb") as file:
            sent = strict.admin.post("/videos", files={"file": (name, file, "video/mp4")})
        return str(sent.json()["id"])

    with ExitStack() as held:
        held.enter_context(strict.stack.paused("unmask_preprocessor.worker"))
        watched, other = submit("watched.mp4"), submit("other.mp4")
        # Somebody else follows a video, and only one may.
        events = strict.admin.stream("GET", f"/videos/{other}/events", timeout=None)
        with events as stream:
            pieces = stream.iter_raw()  # closes the stream when it is let go
            next(pieces)
            page = keyed.open(f"/app/videos/{watched}")
            refused: list[int] = []
            page.on(
                "response",
                lambda answer: refused.append(answer.status) if "/events" in answer.url else None,
            )
            enter(page, ADMIN_KEY)
            expect(page.locator("[data-stage=queued]")).to_have_attribute("aria-current", "step")
            deadline = time.monotonic() + PATIENCE_MS / 1000
            while len(refused) < 2:
                assert time.monotonic() < deadline
                page.wait_for_timeout(50)
            assert set(refused) == {503}
            held.close()
            expect(page.locator("#verdict-title")).to_have_text(JUDGED)
