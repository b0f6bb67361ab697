"""The clients of a chaos run: they send videos, again if need be, and cancel and erase a few."""

import random
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import httpx
from one_second_clips import Clip

_TRY_AGAIN_S = 0.5
_PATIENCE_S = 240.0


@dataclass(kw_only=True)
class Sent:
    """A video that was accepted.

    Attributes:
        id: Of the video.
        clip: What was sent.
        cancel_asked: Whether a cancellation was answered with success.
        erased: Whether an erasure was.
    """

    id: str
    clip: Clip
    cancel_asked: bool = False
    erased: bool = False


class Traffic:
    """Sends a number of videos from a few threads, with no more than some unfinished at a time."""

    def __init__(
        self, url: str, clips: list[Clip], *, videos: int, seed: int, unfinished: Callable[[], int]
    ) -> None:
        self._url = url
        self._clips = clips
        self._left = videos
        self._seed = seed
        self._unfinished = unfinished
        self._lock = threading.Lock()
        self.accepted: list[Sent] = []
        self.refused: list[str] = []
        self.given_up: list[str] = []
        self.tries = 0
        self._threads: list[threading.Thread] = []

    def start(self, threads: int) -> None:
        self._threads = [
            threading.Thread(target=self._send_all, args=(number,), daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def is_over(self) -> bool:
        return not any(thread.is_alive() for thread in self._threads)

    def ids(self) -> list[str]:
        return [sent.id for sent in list(self.accepted)]

    def _take(self) -> bool:
        with self._lock:
            if not self._left:
                return False
            self._left -= 1
            return True

    def _send_all(self, number: int) -> None:
        rng = random.Random(f"{self._seed}/{number}")
        with httpx.Client(base_url=self._url, timeout=60, trust_env=False) as client:
            while self._take():
                while self._unfinished() > 16:
                    time.sleep(0.2)
                sent = self._send(client, rng.choice(self._clips))
                chance = rng.random()
                if sent is None:
                    continue
                if chance < 0.06:
                    time.sleep(rng.uniform(0, 1.5))
                    answer = self._ask(client, "POST", f"/videos/{sent.id}/cancel")
                    sent.cancel_asked = answer is not None and answer.status_code < 300
                elif chance < 0.10:
                    time.sleep(rng.uniform(0, 1.5))
                    answer = self._ask(client, "DELETE", f"/videos/{sent.id}")
                    sent.erased = answer is not None and answer.status_code in {204, 404}
                time.sleep(rng.uniform(0, 0.4))

    def _send(self, client: httpx.Client, clip: Clip) -> Sent | None:
        content = {
            "data": clip.options,
            "files": {"file": (clip.path.name, clip.path.read_bytes(), "video/mp4")},
            "headers": {"Idempotency-Key": str(uuid.uuid4())},
        }
        answer = self._ask(client, "POST", "/videos", **content)
        if answer is None:
            self.given_up.append(clip.name)
            return None
        if answer.status_code != 202:
            self.refused.append(f"{clip.name}: {answer.status_code} {answer.json().get('code')}")
            return None
        sent = Sent(id=answer.json()["id"], clip=clip)
        self.accepted.append(sent)
        return sent

    def _ask(
        self, client: httpx.Client, method: str, path: str, **content: object
    ) -> httpx.Response | None:
        """Ask until there is an answer that is not about the state of the installation."""
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            with self._lock:
                self.tries += 1
            try:
                answer = client.request(method, path, **content)  # type: ignore[arg-type]  # passed on
            except httpx.TransportError:
                time.sleep(_TRY_AGAIN_S)
                continue
            if answer.status_code in {429, 503}:
                assert "retry-after" in answer.headers, answer.text
                time.sleep(_TRY_AGAIN_S)
                continue
            return answer
        return None
