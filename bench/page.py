"""Measures the web page in a real browser: `python bench/page.py`.

How much a first visit of each view transfers, in how many requests, and when something is to be
seen, from a gateway on loopback. Needs Debian's chromium.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from bench_media import make_clip
from end_to_end import ENDED, running_stack
from playwright.sync_api import Browser, Page, sync_playwright
from timing import print_table

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SETTLING_MS = 1000
MOST_BYTES = 300_000
"""What a view may transfer, the video not counted."""


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One first visit of a view, with an empty cache."""

    requests: int
    bytes: int
    video_bytes: int
    first_paint_ms: float
    complete_ms: float


def visit(browser: Browser, base_url: str, address: str, complete: str) -> Visit:
    """Open a view; `complete` selects what shows that it is there."""
    context = browser.new_context(base_url=base_url, viewport={"width": 1100, "height": 800})
    page = context.new_page()
    network = context.new_cdp_session(page)
    paths: dict[str, str] = {}
    sizes: dict[str, float] = {}
    network.on(
        "Network.requestWillBeSent",
        lambda event: paths.update({event["requestId"]: urlsplit(event["request"]["url"]).path}),
    )
    network.on(
        "Network.loadingFinished",
        lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}),
    )
    network.on(
        "Network.dataReceived",
        lambda event: sizes.setdefault(event["requestId"], 0.0),
    )
    network.send("Network.enable")
    started_at = time.perf_counter()
    page.goto(address)
    page.wait_for_selector(complete)
    complete_ms = (time.perf_counter() - started_at) * 1000
    # Until pictures are there, too; a player keeps its connection, so the network is never idle.
    page.wait_for_timeout(SETTLING_MS)
    paint = first_paint_ms(page)
    context.close()
    video = sum(size for one, size in sizes.items() if paths.get(one, "").endswith("/source"))
    return Visit(
        requests=len(paths),
        bytes=round(sum(sizes.values()) - video),
        video_bytes=round(video),
        first_paint_ms=paint,
        complete_ms=complete_ms,
    )


def first_paint_ms(page: Page) -> float:
    """When the first text or picture was to be seen, after the navigation began."""
    entries = page.evaluate(
        "performance.getEntriesByName('first-contentful-paint').map((one) => one.startTime)"
    )
    return float(entries[0])


def judged_video(client: httpx.Client, clip: Path) -> str:
    """A video that was judged, with heatmaps."""
    with clip.open("rb") as file:
        sent = client.post("/videos", data={"heatmaps": "true"}, files={"file": file})
    video_id = str(sent.raise_for_status().json()["id"])
    while (state := client.get(f"/videos/{video_id}").json())["status"] not in ENDED:
        time.sleep(0.1)
    if state["status"] != "completed":
        raise SystemExit(str(state))
    return video_id


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    program = shutil.which("chromium")
    if program is None:
        raise SystemExit("Install Debian's chromium: apt-get install chromium")
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        clip = make_clip(Path(name) / "clip.mp4", faces=1, frames=60).path
        with running_stack(Path(name)) as client:
            base_url = str(client.base_url).rstrip("/")
            [model] = client.get("/models").json()["models"]
            views = {
                "choosing a video": ("/", ".drop"),
                "a result, with heatmaps": (
                    f"/app/videos/{judged_video(client, clip)}",
                    "#verdict-title",
                ),
                "past videos": ("/app/videos", ".video-row"),
                "a model's card": (
                    f"/app/models/{model['name']}/{model['version']}",
                    ".measurements td",
                ),
            }
            browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
            visits = {view: [visit(browser, base_url, *where)] for view, where in views.items()}
            for _ in range(options.rounds):
                for view, where in views.items():
                    visits[view].append(visit(browser, base_url, *where))
            browser.close()
    # The first of each warms the gateway and the browser up.
    tell({view: measured[1:] for view, measured in visits.items()})


def tell(visits: dict[str, list[Visit]]) -> None:
    rows = []
    for view, measured in visits.items():
        largest = max(one.bytes for one in measured)
        rows.append(
            [
                view,
                f"{largest / 1000:.1f}",
                f"{max(one.video_bytes for one in measured) / 1000:.0f}",
                str(max(one.requests for one in measured)),
                f"{statistics.median(one.first_paint_ms for one in measured):.0f}",
                f"{statistics.median(one.complete_ms for one in measured):.0f}",
            ]
        )
    print_table(
        ["first visit of", "kB", "of the video, kB", "requests", "first paint, ms", "complete, ms"],
        rows,
    )
    most = max(one.bytes for measured in visits.values() for one in measured)
    print(f"\nAt most {most / 1000:.1f} kB without the video; the aim is {MOST_BYTES / 1000:.0f}.")
    if most >= MOST_BYTES:
        raise SystemExit("That is too much.")


if __name__ == "__main__":
    main()
