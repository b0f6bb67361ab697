"""Debian's Chromium under Playwright, and what every page has to keep to."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, CDPSession, Page, Playwright, expect

ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS = 60_000
# Tests that read before the page has its answers fail for certain with some hundred of them.
LATENCY_MS = int(os.environ.get("BROWSER_LATENCY_MS", "0"))
_NOTE_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation",
  (event) => window.violations.push(`${event.violatedDirective}: ${event.blockedURI}`));
"""


def launch(playwright: Playwright) -> Browser:
    """Start it with an empty profile."""
    program = shutil.which("chromium")
    assert program, "install Debian's chromium: apt-get install chromium"
    # Videos are judged meanwhile, on machines that may be slow.
    expect.set_options(timeout=PATIENCE_MS)
    return playwright.chromium.launch(executable_path=program, args=[*ARGUMENTS])


@dataclass
class Visitor:
    """Opens the pages of one server, and notes what they must not do.

    Attributes:
        hosts: All that was ever asked for anything.
        faults: Errors of scripts, and of the content policy.
    """

    browser: Browser
    base_url: str
    hosts: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    _pages: list[Page] = field(default_factory=list)
    _networks: dict[Page, CDPSession] = field(default_factory=dict)

    def open(self, address: str = "/", *, width: int = 1100, **context: Any) -> Page:
        """A new page in a profile of its own, once the view at the address is shown."""
        made = self.browser.new_context(
            base_url=self.base_url, viewport={"width": width, "height": 800}, **context
        )
        made.set_default_timeout(PATIENCE_MS)
        made.add_init_script(_NOTE_VIOLATIONS)
        made.on("request", lambda request: self._note_request(request.url))
        made.on("weberror", lambda error: self.faults.append(str(error.error)))
        page = made.new_page()
        page.on("console", lambda message: self._note_message(message.text))
        self._pages.append(page)
        self._networks[page] = made.new_cdp_session(page)
        if LATENCY_MS:
            self.shape_network(page)
        page.goto(address)
        shown(page)
        return page

    def shape_network(
        self,
        page: Page,
        *,
        latency_ms: int = LATENCY_MS,
        upload_bytes_per_s: int = -1,
        offline: bool = False,
    ) -> None:
        """Make a page's network slow, or take it away; without arguments it is as it was."""
        self._networks[page].send(
            "Network.emulateNetworkConditions",
            {
                "offline": offline,
                "latency": latency_ms,
                "downloadThroughput": -1,
                "uploadThroughput": upload_bytes_per_s,
            },
        )

    def check(self) -> None:
        """Fail if a page asked another host, broke the content policy, or had a fault."""
        for page in self._pages:
            self.faults += page.evaluate("window.violations")
        assert self.hosts <= {urlsplit(self.base_url).netloc}
        assert self.faults == []

    def close(self) -> None:
        """Close all pages."""
        for page in self._pages:
            page.context.close()

    def _note_request(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"blob", "data"}:
            self.hosts.add(parts.netloc)

    def _note_message(self, text: str) -> None:
        if "Content Security Policy" in text or "TrustedHTML" in text:
            self.faults.append(text)


@contextmanager
def visiting(browser: Browser, base_url: str) -> Iterator[Visitor]:
    """A visitor whose pages are checked at the end, unless the test has failed before."""
    visitor = Visitor(browser, base_url.rstrip("/"))
    try:
        yield visitor
        visitor.check()
    finally:
        visitor.close()


def shown(page: Page) -> None:
    """Wait until the view at the page's address is shown: it asks the server for it first."""
    expect(page.locator("main[aria-busy]")).to_have_count(0)


def until(page: Page, condition: str, *, limit_s: float = PATIENCE_MS / 1000) -> None:
    """Wait until an expression is true in the page.

    Playwright's own `wait_for_function` evaluates strings, which the content policy forbids.
    """
    deadline = time.monotonic() + limit_s
    while not page.evaluate(f"() => Boolean({condition})"):
        assert time.monotonic() < deadline, f"never true: {condition}"
        page.wait_for_timeout(30)
