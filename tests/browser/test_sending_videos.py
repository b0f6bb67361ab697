"""From a chosen, dropped or linked file to its verdict, and what is refused on the way."""

import re
from pathlib import Path

import httpx
from chromium import Visitor, until
from embedded_stack import RunningStack
from playwright.sync_api import Page, expect

JUDGED = re.compile("This video looks forged|No forgery was found|Unmask cannot tell")
VIDEO_ADDRESS = re.compile(r"/app/videos/[0-9a-f-]{36}$")


def choose(page: Page, *files: Path) -> None:
    page.locator(".drop input").set_input_files(list(files))


def count_of(stack: RunningStack) -> int:
    return len(stack.client.get("/videos?limit=100").json()["videos"])


def test_a_chosen_video_is_sent_watched_and_judged_without_a_reload(
    visitor: Visitor, demo_media: Path
) -> None:
    page = visitor.open()
    page.evaluate("window.neverReloaded = true")
    page.evaluate(
        """() => {
          window.stages = [];
          new MutationObserver(() => {
            const current = document.querySelector("[data-stage][aria-current]");
            if (current) window.stages.push(current.dataset.stage);
          }).observe(document.body, { subtree: true, childList: true, attributes: true });
        }"""
    )
    choose(page, demo_media / "hopper_fake.mp4")
    expect(page.locator("h1")).to_have_text("hopper_fake.mp4")
    expect(page).to_have_url(VIDEO_ADDRESS)
    expect(page.locator("h1")).to_have_text(JUDGED)
    assert page.evaluate("window.neverReloaded")
    seen = list(dict.fromkeys(page.evaluate("window.stages")))
    assert seen == sorted(seen, key=["uploading", "queued", "preprocessing", "inferring"].index)
    assert {"uploading", "preprocessing", "inferring"} <= set(seen)

    # The address is the video's: it can be opened elsewhere, and the back button leads back.
    elsewhere = visitor.open(page.url)
    expect(elsewhere.locator("h1")).to_have_text(JUDGED)
    page.go_back()
    expect(page.locator("h1")).to_have_text("Were the faces in this video forged?")
    page.go_forward()
    expect(page.locator("h1")).to_have_text(JUDGED)


def test_stages_come_by_events_not_by_asking_again_and_again(
    visitor: Visitor, demo_media: Path
) -> None:
    page = visitor.open()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    choose(page, demo_media / "astronaut_real.mp4")
    expect(page.locator("h1")).to_have_text(JUDGED)
    video_id = page.url.rsplit("/", 1)[1]
    assert sum(url.endswith(f"/videos/{video_id}/events") for url in asked) == 1
    assert sum(url.endswith(f"/videos/{video_id}") for url in asked) == 2  # before and after


def drop(page: Page, selector: str, *names: str, content: bytes) -> None:
    dropped = page.evaluate_handle(
        """([names, bytes]) => {
          const data = new DataTransfer();
          for (const name of names) {
            data.items.add(new File([new Uint8Array(bytes)], name, { type: "video/mp4" }));
          }
          return data;
        }""",
        [list(names), list(content)],
    )
    page.dispatch_event(selector, "drop", {"dataTransfer": dropped})


def test_a_video_may_be_dropped_anywhere(visitor: Visitor, broken: Path) -> None:
    page = visitor.open()
    drop(page, "footer", "dropped.mp4", content=broken.read_bytes())
    expect(page.locator(".eyebrow")).to_have_text("dropped.mp4")
    expect(page.locator("h1")).to_have_text("The video cannot be decoded")


def test_an_upload_shows_how_far_it_is_and_can_be_cancelled(
    visitor: Visitor, stack: RunningStack, demo_media: Path
) -> None:
    before = count_of(stack)
    page = visitor.open()
    visitor.shape_network(page, upload_bytes_per_s=150_000)
    choose(page, demo_media / "hopper_fake.mp4")
    expect(page.locator(".amounts")).to_have_text(re.compile(r"[\d.]+ (KB|MB) of 3\.0 MB"))
    until(page, "document.querySelector('progress').value > 0.1")
    assert page.locator("progress").evaluate("bar => bar.value") < 1

    # Leaving would lose it, so people are asked.
    page.get_by_role("link", name="Past videos").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("It has not arrived yet.")
    dialog.get_by_role("button", name="Stay here").click()
    page.get_by_role("button", name="Cancel the upload").click()
    expect(page.locator(".drop")).to_be_visible()
    assert count_of(stack) == before


def test_an_upload_that_breaks_is_sent_again_and_makes_one_video(
    visitor: Visitor, stack: RunningStack, demo_media: Path
) -> None:
    before = count_of(stack)
    page = visitor.open()
    visitor.shape_network(page, upload_bytes_per_s=150_000)
    choose(page, demo_media / "hopper_real.mp4")
    until(page, "document.querySelector('progress').value > 0.1")
    stack.part("unmask_gateway").kill()
    expect(page.locator("h1")).to_have_text("The server cannot be reached")
    expect(page.locator(".problem-action")).to_contain_text("Check the network and try again.")
    visitor.shape_network(page)
    stack.wait_until_ready()  # the stack starts another gateway
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("h1")).to_have_text(JUDGED)
    assert count_of(stack) == before + 1


def test_what_is_no_video_is_refused_with_advice(visitor: Visitor, tmp_path: Path) -> None:
    text = tmp_path / "notes.mp4"
    text.write_text("This is no video. " * 1000)
    page = visitor.open()
    choose(page, text)
    expect(page.locator("h1")).to_have_text("The file is not a video")
    expect(page.locator(".problem-action")).to_contain_text("Send an MP4, MOV, WebM")
    expect(page.locator("h1")).to_be_focused()
    page.get_by_role("link", name="Check another video").click()
    expect(page.locator(".drop")).to_be_visible()


def test_an_empty_file_and_several_files_cost_no_upload(
    visitor: Visitor, stack: RunningStack, tmp_path: Path
) -> None:
    before = count_of(stack)
    empty = tmp_path / "empty.mp4"
    empty.touch()
    page = visitor.open()
    choose(page, empty)
    expect(page.locator("h1")).to_have_text("The file is empty")
    page.get_by_role("link", name="Check another video").click()
    expect(page.locator(".drop")).to_be_visible()
    drop(page, "footer", "one.mp4", "two.mp4", content=b"some bytes")
    expect(page.locator("h1")).to_have_text("One video at a time")
    assert count_of(stack) == before


def test_a_broken_video_fails_with_the_servers_advice(visitor: Visitor, broken: Path) -> None:
    page = visitor.open()
    choose(page, broken)
    expect(page.locator("h1")).to_have_text("The video cannot be decoded")
    expect(page.locator(".problem-action")).to_contain_text("re-encode it as H.264 in MP4")
    expect(page.get_by_role("button", name="Delete this video")).to_be_visible()


def test_a_link_to_this_machine_is_refused_in_plain_words(visitor: Visitor) -> None:
    page = visitor.open()
    page.get_by_label("Or paste a link to a video file").fill("http://127.0.0.1/clip.mp4")
    page.get_by_role("button", name="Check the link").click()
    expect(page.locator("h1")).to_have_text("This URL is not allowed here")
    expect(page.locator(".problem-action")).to_contain_text("public server")


def test_options_are_sent_along(visitor: Visitor, stack: RunningStack, demo_media: Path) -> None:
    page = visitor.open()
    page.get_by_text("Options", exact=True).click()
    page.get_by_label("Draw the 68 landmarks of each face").check()
    page.get_by_label(re.compile("Show on the frames")).uncheck()
    choose(page, demo_media / "astronaut_real.mp4")
    expect(page.locator("h1")).to_have_text(JUDGED)
    options = stack.get(page.url.rsplit("/", 1)[1])["options"]
    assert options["landmark_overlays"] is True
    assert options["heatmaps"] is False
    expect(page.get_by_alt_text("Face 1 with its landmarks, in full size")).to_be_visible()


def test_the_page_knows_addresses_of_earlier_versions(
    visitor: Visitor, fake: dict[str, str]
) -> None:
    page = visitor.open(f"/?video={fake['id']}")
    expect(page).to_have_url(re.compile(f"/app/videos/{fake['id']}$"))
    expect(page.locator("h1")).to_have_text("This video looks forged")


def test_every_view_is_served_and_nothing_below_static_is_stale(stack: RunningStack) -> None:
    served = stack.client.get("/app/videos/anything")
    assert served.status_code == 200
    assert served.text == stack.client.get("/").text
    module = stack.client.get("/static/app.js")
    assert module.headers["cache-control"] == "no-cache"
    again = stack.client.get("/static/app.js", headers={"If-None-Match": module.headers["etag"]})
    assert again.status_code == httpx.codes.NOT_MODIFIED
    assert again.headers["cache-control"] == "no-cache"
