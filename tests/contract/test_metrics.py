"""What operators are shown: a gateway, a real Valkey, and the files in `deploy`."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import promql_parser
import pytest
import yaml
from gateway_process import GatewayProcess, running_gateway
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from real_services import ValkeyServer
from sample_documents import record_of

from unmask_gateway.access.key_store import KeyStore
from unmask_gateway.access.keys import Scope
from unmask_shared.artifacts import record_key
from unmask_shared.cancellation import cancel_video
from unmask_shared.errors import NoVideoStream
from unmask_shared.job_store import (
    MARK_PREPROCESSED,
    MARK_PREPROCESSING,
    GpuUse,
    RedisJobStore,
    make_job_store,
)
from unmask_shared.object_store import LocalObjectStore
from unmask_shared.records import write_document
from unmask_shared.settings import JobSettings
from unmask_shared.stages import ReportProgress, StageRunner
from unmask_shared.videos import Status

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
ID = "01890a5d-ac96-774b-bcce-b302099a8057"
OTHER_ID = "01890a5d-ac96-774b-bcce-b302099a8058"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, valkey: ValkeyServer
) -> Iterator[GatewayProcess]:
    with running_gateway(tmp_path_factory.mktemp("gateway"), redis_url=valkey.url) as process:
        yield process


@pytest.fixture
def client(gateway: GatewayProcess, redis_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, trust_env=False, timeout=20) as client:
        yield client


@pytest.fixture
def jobs(redis_url: str) -> RedisJobStore:
    return make_job_store(JobSettings(redis_url=SecretStr(redis_url)))


@pytest.fixture
def store(tmp_path: Path) -> LocalObjectStore:
    return LocalObjectStore(tmp_path / "store")


def samples_of(client: httpx.Client) -> Samples:
    response = client.get("/metrics")
    assert response.status_code == 200, response.text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((name, frozenset(labels.items())), 0.0)


def accept(store: LocalObjectStore, jobs: RedisJobStore, video_id: str = ID) -> None:
    write_document(store, record_key(video_id), record_of(video_id))
    jobs.accept(record_of(video_id))


def runner(store: LocalObjectStore, jobs: RedisJobStore, stage: Status) -> StageRunner:
    return StageRunner(
        store=store,
        jobs=jobs,
        settings=JobSettings(),
        stage=stage,
        progress_from=0.1,
        progress_to=0.5,
    )


def test_requests_are_counted_by_the_template_of_their_route(client: httpx.Client) -> None:
    labels = {"route": "/videos/{video_id}", "method": "GET"}
    before = samples_of(client)
    for _ in range(3):
        assert client.get(f"/videos/{ID}").status_code == 404
    client.get(f"/nothing/at/{ID}")
    client.request("BREW", "/videos")
    client.post("/videos", files={"file": ("clip.mp4", b"no video" * 1000)})
    after = samples_of(client)

    def grown(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    assert grown("unmask_http_requests_total", **labels, status="404") == 3
    assert grown("unmask_http_request_duration_seconds_count", **labels) == 3
    assert grown("unmask_http_request_body_bytes_total", route="/videos") > 8000
    told = {label for _, labels in after for label in labels}
    assert not any(ID in text or "nothing" in text or text == "BREW" for _, text in told)


def test_what_the_workers_did_is_told_by_the_gateway(
    client: httpx.Client, jobs: RedisJobStore, store: LocalObjectStore
) -> None:
    def fails(_: ReportProgress) -> None:
        raise NoVideoStream

    accept(store, jobs)
    first = runner(store, jobs, Status.PREPROCESSING)
    first.run(ID, lambda _: None, started_mark=MARK_PREPROCESSING, finished_mark=MARK_PREPROCESSED)
    assert value(samples_of(client), "unmask_videos_total", status="completed", code="") == 0
    runner(store, jobs, Status.INFERRING).run(ID, lambda _: None, started_mark="inferring")
    accept(store, jobs, OTHER_ID)
    first.run(OTHER_ID, fails, started_mark=MARK_PREPROCESSING)
    first.run(OTHER_ID, fails, started_mark=MARK_PREPROCESSING)  # a copy of the message

    samples = samples_of(client)
    for stage in ("preprocessing", "inferring"):
        name = "unmask_stage_duration_seconds"
        assert value(samples, f"{name}_count", stage=stage) == 1
        assert value(samples, f"{name}_bucket", stage=stage, le="+Inf") == 1
        assert 0 < value(samples, f"{name}_sum", stage=stage) < 60
    assert value(samples, "unmask_videos_total", status="completed", code="") == 1
    assert value(samples, "unmask_videos_total", status="failed", code="no_video_stream") == 1


def test_a_cancelled_video_is_counted_once(
    client: httpx.Client, jobs: RedisJobStore, store: LocalObjectStore
) -> None:
    accept(store, jobs)
    cancel_video(store, jobs, ID)
    cancel_video(store, jobs, ID)
    assert value(samples_of(client), "unmask_videos_total", status="cancelled", code="") == 1


def test_waiting_videos_are_told_by_queue(client: httpx.Client, jobs: RedisJobStore) -> None:
    age = "unmask_queue_oldest_seconds"
    assert value(samples_of(client), age, queue="preprocessor") == 0
    jobs.accept(record_of(ID))  # of long ago
    jobs.set_waiting(ID, waiting=True)
    samples = samples_of(client)
    assert value(samples, age, queue="preprocessor") > 3600
    assert value(samples, age, queue="inference") == 0
    jobs.set_waiting(ID, waiting=False)
    jobs.advance(ID, Status.PREPROCESSING, 0.5, mark=MARK_PREPROCESSED)
    jobs.set_waiting(ID, waiting=True)
    samples = samples_of(client)
    assert value(samples, age, queue="preprocessor") == 0
    assert value(samples, age, queue="inference") > 0


def test_workers_are_told_by_role(client: httpx.Client, jobs: RedisJobStore) -> None:
    jobs.announce_worker("inference", "here:1")
    samples = samples_of(client)
    assert value(samples, "unmask_workers", role="inference") == 1
    assert ("unmask_workers", frozenset({("role", "preprocessor")})) in samples


def test_gpus_are_told_as_long_as_their_worker_lives(
    client: httpx.Client, jobs: RedisJobStore
) -> None:
    def use(host: str, busy: float | None) -> GpuUse:
        return GpuUse(host=host, device=0, memory_used_bytes=3, memory_bytes=8, busy=busy)

    assert not [name for name, _ in samples_of(client) if name.startswith("unmask_gpu")]
    for worker in ("here:1", "there:1"):
        jobs.announce_worker("inference", worker)
    jobs.gpus.note("here:1", [use("here", 0.75)], 15)
    jobs.gpus.note("there:1", [use("there", None)], 15)
    jobs.gpus.note("gone:1", [use("gone", 0.1)], 15)
    samples = samples_of(client)
    assert value(samples, "unmask_gpu_memory_used_bytes", host="there", device="0") == 3
    assert value(samples, "unmask_gpu_memory_bytes", host="here", device="0") == 8
    busy = {labels: found for (name, labels), found in samples.items() if "busy" in name}
    assert busy == {frozenset({("host", "here"), ("device", "0")}): 0.75}
    jobs.retire_worker("inference", "here:1")
    assert not any("busy" in name for name, _ in samples_of(client))


def test_without_redis_the_gateway_still_tells_what_it_knows(
    client: httpx.Client, valkey: ValkeyServer
) -> None:
    assert value(samples_of(client), "unmask_redis_up") == 1
    with valkey.stopped():
        samples = samples_of(client)
    assert ("unmask_redis_up", frozenset()) in samples
    assert value(samples, "unmask_redis_up") == 0
    assert any(name == "unmask_http_requests_total" for name, _ in samples)
    assert not any(name == "unmask_workers" for name, _ in samples)


def test_metrics_need_a_key_of_their_own(
    tmp_path_factory: pytest.TempPathFactory, valkey: ValkeyServer
) -> None:
    folder = tmp_path_factory.mktemp("closed")
    with running_gateway(folder, redis_url=valkey.url, access="keys") as process:
        keys = KeyStore(LocalObjectStore(process.data_dir / "store"))
        made = {scope: keys.create("test", frozenset({scope}))[1] for scope in Scope}
        asked = {
            scope: httpx.get(
                f"{process.url}/metrics",
                headers={"Authorization": f"Bearer {key}"},
                trust_env=False,
            ).status_code
            for scope, key in made.items()
        }
        stranger = httpx.get(f"{process.url}/metrics", trust_env=False)
        other = httpx.get(
            f"{process.url}/videos/{ID}",
            headers={"Authorization": f"Bearer {made[Scope.METRICS]}"},
            trust_env=False,
        )
    assert asked == {
        Scope.SUBMIT: 403,
        Scope.READ: 403,
        Scope.METRICS: 200,
        Scope.ADMIN: 200,
    }
    assert (stranger.status_code, other.status_code) == (401, 403)


def test_operators_may_open_metrics_alone(
    tmp_path_factory: pytest.TempPathFactory, valkey: ValkeyServer
) -> None:
    with running_gateway(
        tmp_path_factory.mktemp("opened"), redis_url=valkey.url, access="keys", open_metrics=True
    ) as process:
        assert httpx.get(f"{process.url}/metrics", trust_env=False).status_code == 200
        assert httpx.get(f"{process.url}/videos/{ID}", trust_env=False).status_code == 401


def expressions(text: str) -> set[str]:
    return set(re.findall(r"\bunmask_[a-z_]+", text))


def dashboard() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((DEPLOY / "grafana/unmask.json").read_text())
    return loaded


def rules() -> list[dict[str, Any]]:
    [group] = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())["groups"]
    return list(group["rules"])


def test_dashboard_alerts_and_documentation_name_metrics_that_exist(client: httpx.Client) -> None:
    text = client.get("/metrics").text
    kinds = dict(re.findall(r"^# TYPE (\S+) (\w+)$", text, re.MULTILINE))
    exist = set(kinds)
    for name, kind in kinds.items():
        if kind == "histogram":
            exist |= {f"{name}_{part}" for part in ("bucket", "sum", "count")}
    asked = " ".join(rule["expr"] for rule in rules())
    asked += " ".join(target["expr"] for p in dashboard()["panels"] for target in p["targets"])
    assert expressions(asked) <= exist
    documented = set(re.findall(r"`(unmask_[a-z_]+)`", (ROOT / "docs/operations.md").read_text()))
    told = {name for name in kinds if name.startswith("unmask_") and not name.endswith("_created")}
    assert documented == told


def test_prometheus_understands_every_expression() -> None:
    asked = [rule["expr"] for rule in rules()]
    asked += [target["expr"] for p in dashboard()["panels"] for target in p["targets"]]
    assert len(asked) > 15
    for expression in asked:
        promql_parser.parse(expression)  # raises, also for a range where a moment is meant
    with pytest.raises(ValueError, match="expected type matrix"):
        promql_parser.parse("rate(unmask_sweeps_total)")


def test_alerts_say_what_to_do() -> None:
    found = rules()
    assert len({rule["alert"] for rule in found}) == len(found) >= 8
    for rule in found:
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["action"]


def test_the_dashboard_can_be_imported() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = {(p["gridPos"]["x"], p["gridPos"]["y"]) for p in panels}
    assert len(places) == len(panels)
    assert all(panel["datasource"]["uid"] == "${datasource}" for panel in panels)
