"""The report on a video: a gateway process, a real Valkey, a folder as store."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from gateway_process import GatewayProcess, running_gateway
from real_services import ValkeyServer

from unmask_shared.artifacts import BoundingBox, Coverage, VideoInfo, heatmap_key, thumbnail_key
from unmask_shared.job_store import RedisJobStore
from unmask_shared.model_registry import ModelRegistry
from unmask_shared.object_store import LocalObjectStore
from unmask_shared.videos import (
    FaceResult,
    Heatmap,
    ModelRef,
    Reason,
    Result,
    Segment,
    Timings,
    Verdict,
    VideoResult,
)

VIDEO = b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(range(256)) * 100
UNKNOWN_ID = "01890a5d-ac96-774b-bcce-b302099a8057"
CHECKPOINT = Path(__file__).parents[2] / "models" / "default"
JPEG, WEBP = b"\xff\xd8\xff picture", b"RIFF\0\0\0\0WEBP picture"


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, valkey: ValkeyServer
) -> Iterator[GatewayProcess]:
    with running_gateway(
        tmp_path_factory.mktemp("gateway"), redis_url=valkey.url, shutdown_grace_s=1
    ) as process:
        yield process


@pytest.fixture
def client(gateway: GatewayProcess, redis_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, trust_env=False, timeout=20) as client:
        yield client


@pytest.fixture
def store(gateway: GatewayProcess) -> LocalObjectStore:
    return LocalObjectStore(gateway.data_dir / "store")


def submitted(client: httpx.Client, name: str = "clip.mp4") -> str:
    answer = client.post("/videos", files={"file": (name, VIDEO, "video/mp4")})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def segment(start_s: float, probability: float | None) -> Segment:
    reason = Reason.FACES_TOO_BLURRED if probability is None else None
    return Segment(
        start_s=start_s, end_s=start_s + 0.5, fake_probability=probability, reason=reason
    )


def outcome_of(video_id: str, model: ModelRef, *faces: FaceResult) -> VideoResult:
    return VideoResult(
        video_id=video_id,
        video=VideoInfo(duration_s=10, fps=25, width=640, height=480, frames=250, codec="h264"),
        model=model,
        result=Result(
            verdict=Verdict.FAKE if faces else Verdict.INCONCLUSIVE,
            fake_probability=0.91 if faces else None,
            reason=None if faces else Reason.NO_FACE_FOUND,
            faces=faces,
            coverage=Coverage(
                policy="clips",
                clips=5,
                frames=80,
                missing_frames=1,
                sampled_s=3.2,
                longest_gap_s=1.5,
            ),
        ),
        timings_ms=Timings(queued=1, preprocessing=2, inferring=3),
    )


def face_of(video_id: str, track_id: int, probability: float | None = 0.91) -> FaceResult:
    return FaceResult(
        track_id=track_id,
        fake_probability=probability,
        reason=Reason.FACES_TOO_BLURRED if probability is None else None,
        start_s=0,
        end_s=9.5,
        segments=(segment(0, 0.1), segment(3, 0.5), segment(6, 0.97), segment(9, None)),
        heatmaps=(
            Heatmap(
                picture=heatmap_key(video_id, track_id, 0),
                frame=150,
                time_s=6.2,
                box=BoundingBox(x=1, y=2, width=30, height=40),
            ),
        ),
    )


class Page(HTMLParser):
    """What a page is made of, and what it would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words = ""
        self._inside = ""
        self.styles: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "style":
            self.styles.append(data)
        else:
            self.words += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def report_on(client: httpx.Client, video_id: str) -> tuple[httpx.Response, Page]:
    answer = client.get(f"/videos/{video_id}/report")
    assert answer.status_code == 200, answer.text
    page = Page(answer.text)
    return answer, page


@pytest.fixture
def published(store: LocalObjectStore) -> ModelRef:
    """The checkpoint that ships, in the registry."""
    card = json.loads((CHECKPOINT / "card.json").read_text())
    model = ModelRef(name=card["name"], version=card["version"])
    files = {name: CHECKPOINT / name for name in ("card.json", "weights.safetensors")}
    ModelRegistry(store).publish(model.name, model.version, files)
    return model


def test_a_report_tells_the_verdict_its_uncertainty_and_its_limits(
    client: httpx.Client, job_store: RedisJobStore, store: LocalObjectStore, published: ModelRef
) -> None:
    video_id = submitted(client)
    store.put(thumbnail_key(video_id, 0), JPEG, content_type="image/jpeg")
    store.put(heatmap_key(video_id, 0, 0), WEBP, content_type="image/webp")
    job_store.complete(video_id, outcome_of(video_id, published, face_of(video_id, 0)))
    answer, page = report_on(client, video_id)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    words = " ".join(page.words.split())
    for part in (
        "This video looks forged",
        "91 % probability of forgery",
        "This report proves nothing.",
        "An indication, never a proof.",  # the last limit on the card
        "test videos of",
        "Most suspicious moment: 0:06.0 to 0:06.5, 97 %",
        "0:09.0 to 0:09.5: not judged: too blurred",
        "; 1 could not be decoded",
        hashlib.sha256(VIDEO).hexdigest(),
        f"{published.name} {published.version}",
        video_id,
    ):
        assert part in words, part
    thumbnail, heatmap = page.all("img")
    assert thumbnail["src"] == f"data:image/jpeg;base64,{base64.b64encode(JPEG).decode()}"
    assert heatmap["src"] == f"data:image/webp;base64,{base64.b64encode(WEBP).decode()}"
    kinds = [bar["class"] for bar in page.all("rect") if bar["class"].startswith("bar ")]
    assert kinds == ["bar real", "bar unsure", "bar fake", "bar not-judged"]


def test_a_report_stands_alone_and_runs_nothing(
    client: httpx.Client, job_store: RedisJobStore
) -> None:
    name = "<img src=x onerror=alert(1)>\"'&.mp4"
    video_id = submitted(client, name)
    model = ModelRef(name="resnet-lstm", version="none")
    job_store.complete(video_id, outcome_of(video_id, model, face_of(video_id, 0)))
    answer, page = report_on(client, video_id)
    shown = client.get(f"/videos/{video_id}").json()["source"]["filename"]
    assert "<img" in shown
    assert shown in page.words
    assert page.all("script") == page.all("link") == page.all("img") == []
    for _, attributes in page.tags:
        assert not any(key.startswith("on") or key == "style" for key in attributes)
        assert not attributes.keys() & {"href", "xlink:href", "srcset", "action"}
    (style,) = page.styles
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert f"style-src 'sha256-{digest}'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
    (kept,) = [m for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith(kept["content"])  # it holds for a file that was saved, too
    assert not re.search(r"url\(|@import", style)


def test_a_crowd_is_told_whole_but_pictured_in_part_the_suspicious_first(
    client: httpx.Client, job_store: RedisJobStore, store: LocalObjectStore
) -> None:
    video_id = submitted(client)
    faces = [face_of(video_id, number, number / 20) for number in range(15)]
    faces.append(face_of(video_id, 15, None))
    for face in faces:
        store.put(thumbnail_key(video_id, face.track_id), JPEG, content_type="image/jpeg")
    model = ModelRef(name="resnet-lstm", version="none")
    job_store.complete(video_id, outcome_of(video_id, model, *faces))
    _, page = report_on(client, video_id)
    named = [int(number) for number in re.findall(r"Face (\d+): ", page.words)]
    assert named == [*range(15, 0, -1), 16]
    assert len(page.all("img")) == 12


def test_a_video_without_faces_has_a_report(client: httpx.Client, job_store: RedisJobStore) -> None:
    video_id = submitted(client)
    model = ModelRef(name="resnet-lstm", version="none")
    job_store.complete(video_id, outcome_of(video_id, model))
    _, page = report_on(client, video_id)
    assert "No face was found" in page.words
    assert "How often this model is right is not recorded here." in page.words


def test_without_a_verdict_there_is_no_report(client: httpx.Client) -> None:
    answer = client.get(f"/videos/{submitted(client)}/report")
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_to_report")
    assert "queued" in answer.json()["detail"]
    unknown = client.get(f"/videos/{UNKNOWN_ID}/report")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "video_not_found")
