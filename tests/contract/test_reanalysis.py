"""Analysing a stored video again over HTTP: a new video with the same file."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from gateway_process import GatewayProcess, running_gateway, settings_of
from real_services import SeaweedServer, ValkeyServer

from unmask_shared.artifacts import VIDEOS_PREFIX, record_key, source_key
from unmask_shared.errors import InvalidCheckpoint
from unmask_shared.model_registry import ModelRegistry
from unmask_shared.object_store import ObjectStore, make_object_store
from unmask_shared.records import read_document
from unmask_shared.settings import StoreSettings
from unmask_shared.videos import VideoRecord

ROOT = Path(__file__).parents[2]
NAME = "resnet-lstm"
ADMIN_KEY = "0123456789abcdef" * 3
VIDEO = b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(range(256)) * 40_000
UNKNOWN_ID = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.fixture(scope="module", params=["local", "s3"])
def settings(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> StoreSettings:
    if request.param == "local":
        return StoreSettings(data_dir=tmp_path_factory.mktemp("reanalysis") / "data")
    server: SeaweedServer = request.getfixturevalue("s3_server")
    return server.settings("reanalysis")


@pytest.fixture(scope="module")
def gateway(
    settings: StoreSettings, tmp_path_factory: pytest.TempPathFactory, valkey: ValkeyServer
) -> Iterator[GatewayProcess]:
    with running_gateway(
        tmp_path_factory.mktemp("gateway"),
        redis_url=valkey.url,
        access="keys",
        admin_key=ADMIN_KEY,
        shutdown_grace_s=1,
        **settings_of(settings),
    ) as process:
        yield process


@pytest.fixture
def store(settings: StoreSettings, gateway: GatewayProcess) -> ObjectStore:
    found = make_object_store(settings)
    found.check()
    for prefix in (VIDEOS_PREFIX, "models/"):
        found.delete_prefix(prefix)
    return found


@pytest.fixture
def registry(store: ObjectStore) -> ModelRegistry:
    return ModelRegistry(store)


def client_of(gateway: GatewayProcess, key: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.Client(base_url=gateway.url, headers=headers, trust_env=False, timeout=30)


@pytest.fixture
def admin(gateway: GatewayProcess, redis_url: str, store: ObjectStore) -> Iterator[httpx.Client]:
    with client_of(gateway, ADMIN_KEY) as found:
        yield found


@pytest.fixture
def client(gateway: GatewayProcess, admin: httpx.Client) -> Iterator[httpx.Client]:
    made = admin.post("/keys", json={"name": "x", "scopes": ["read", "submit"]}).json()
    with client_of(gateway, made["key"]) as found:
        yield found


def submitted(client: httpx.Client, **options: str) -> dict[str, Any]:
    response = client.post("/videos", data=options, files={"file": ("a.mp4", VIDEO, "video/mp4")})
    assert response.status_code == 202, response.text
    video: dict[str, Any] = response.json()
    return video


def publish(registry: ModelRegistry, folder: Path, version: str) -> None:
    card = json.loads((ROOT / "models/default/card.json").read_text()) | {"version": version}
    (folder / version).write_text(json.dumps(card))
    registry.publish(NAME, version, {"card.json": folder / version})


def assert_problem(response: httpx.Response, status: int, code: str) -> None:
    assert response.status_code == status, response.text
    assert response.json()["code"] == code


def test_the_same_file_is_judged_again_as_a_video_of_its_own(
    client: httpx.Client, registry: ModelRegistry, store: ObjectStore, tmp_path: Path
) -> None:
    publish(registry, tmp_path, "2.0")
    first = submitted(client, heatmaps="true", landmark_overlays="true")
    response = client.post(
        f"/videos/{first['id']}/analyses",
        json={"model": f"{NAME}/2.0", "landmark_overlays": False},
    )
    assert response.status_code == 202, response.text
    second = response.json()
    assert second["id"] != first["id"]
    assert response.headers["location"] == f"/videos/{second['id']}"
    assert second["analysis_of"] == first["id"]
    assert first["analysis_of"] is None
    assert second["source"] == first["source"]
    assert second["model"] == {"name": NAME, "version": "2.0"}
    assert (second["options"]["heatmaps"], second["options"]["landmark_overlays"]) == (True, False)
    assert client.get(f"/videos/{second['id']}").json()["status"] == "queued"

    # Each can be erased without the other.
    assert client.delete(f"/videos/{first['id']}").status_code in {200, 202, 204}
    assert store.get(source_key(second["id"])) == VIDEO
    record = read_document(store, record_key(second["id"]), VideoRecord)
    assert record is not None
    assert record.upload.sha256 == first["source"]["sha256"]


def test_without_a_choice_the_active_model_judges_even_if_another_was_chosen_before(
    client: httpx.Client, admin: httpx.Client, registry: ModelRegistry, tmp_path: Path
) -> None:
    for version in ("2.0", "3.0"):
        publish(registry, tmp_path, version)
    active = admin.put("/models/active", json={"name": NAME, "version": "3.0"})
    assert active.status_code == 200, active.text
    first = submitted(client, model=f"{NAME}/2.0")
    second = client.post(f"/videos/{first['id']}/analyses", json={}).json()
    assert second["model"]["version"] == "3.0"
    assert second["options"] == first["options"] | {"model": None}


def test_what_cannot_be_analysed_again_is_a_problem_and_leaves_nothing(
    client: httpx.Client, registry: ModelRegistry, store: ObjectStore, tmp_path: Path
) -> None:
    publish(registry, tmp_path, "2.0")
    registry.refuse(NAME, "2.0", InvalidCheckpoint("It does not work."), worker="host:1")
    path = f"/videos/{submitted(client)['id']}/analyses"
    before = set(store.keys(VIDEOS_PREFIX))
    assert_problem(client.post(path, json={"model": f"{NAME}/9"}), 422, "unknown_model")
    assert_problem(client.post(path, json={"model": f"{NAME}/2.0"}), 422, "model_refused")
    assert_problem(client.post(path, json={"model": "x"}), 422, "invalid_request")
    assert_problem(client.post(path, json={"modle": "x"}), 422, "invalid_request")
    assert_problem(client.post("/videos/1/analyses", json={}), 422, "malformed_video_id")
    unknown = client.post(f"/videos/{UNKNOWN_ID}/analyses", json={})
    assert_problem(unknown, 404, "video_not_found")
    assert set(store.keys(VIDEOS_PREFIX)) == before


def test_a_video_whose_file_is_gone_cannot_be_analysed_again(
    client: httpx.Client, store: ObjectStore
) -> None:
    video_id = submitted(client)["id"]
    store.delete_prefix(source_key(video_id))
    before = set(store.keys(VIDEOS_PREFIX))
    assert_problem(client.post(f"/videos/{video_id}/analyses", json={}), 404, "video_not_found")
    assert set(store.keys(VIDEOS_PREFIX)) == before


def test_a_video_and_its_analyses_belong_to_one_key(
    client: httpx.Client, admin: httpx.Client, gateway: GatewayProcess, store: ObjectStore
) -> None:
    video_id = submitted(client)["id"]
    other = admin.post("/keys", json={"name": "y", "scopes": ["read", "submit"]}).json()
    with client_of(gateway, other["key"]) as theirs:
        theirs_again = theirs.post(f"/videos/{video_id}/analyses", json={})
    assert_problem(theirs_again, 404, "video_not_found")
    again = admin.post(f"/videos/{video_id}/analyses", json={}).json()
    assert client.get(f"/videos/{again['id']}").status_code == 200


def again(client: httpx.Client, video_id: str, key: str, **wanted: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key}
    return client.post(f"/videos/{video_id}/analyses", json=wanted, headers=headers)


def videos(store: ObjectStore) -> set[str]:
    return {key.split("/")[1] for key in store.keys(VIDEOS_PREFIX)}


def test_an_analysis_that_is_asked_for_again_with_its_key_is_the_same_one(
    client: httpx.Client, store: ObjectStore
) -> None:
    video_id = submitted(client)["id"]
    first = again(client, video_id, "a", heatmaps=True)
    assert first.status_code == 202, first.text
    assert "idempotency-replayed" not in first.headers
    repeated = again(client, video_id, "a", heatmaps=True)
    assert repeated.headers["idempotency-replayed"] == "true"
    assert repeated.headers["location"] == first.headers["location"]
    assert repeated.json()["id"] == first.json()["id"]
    assert videos(store) == {video_id, first.json()["id"]}
    assert_problem(again(client, video_id, "a"), 422, "idempotency_key_reused")
    other = submitted(client)["id"]
    assert_problem(again(client, other, "a", heatmaps=True), 422, "idempotency_key_reused")
    assert again(client, video_id, "b", heatmaps=True).json()["id"] != first.json()["id"]

    assert client.delete(f"/videos/{first.json()['id']}").status_code == 204
    assert again(client, video_id, "a", heatmaps=True).json()["id"] != first.json()["id"]


def test_the_same_analysis_many_times_at_once_is_one_video(
    client: httpx.Client, store: ObjectStore
) -> None:
    video_id = submitted(client)["id"]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: again(client, video_id, "a"), range(4)))
    assert {answer.status_code for answer in answers} == {202}
    [analysis_id] = {answer.json()["id"] for answer in answers}
    assert videos(store) == {video_id, analysis_id}


def test_an_analysis_that_broke_off_before_its_record_is_completed_by_the_next_try(
    client: httpx.Client, store: ObjectStore
) -> None:
    video_id = submitted(client)["id"]
    analysis_id = again(client, video_id, "a").json()["id"]
    store.delete_prefix(record_key(analysis_id))
    assert again(client, video_id, "a").json()["id"] == analysis_id
    record = read_document(store, record_key(analysis_id), VideoRecord)
    assert record is not None
    assert record.analysis_of == video_id


def test_callers_do_not_meet_each_others_keys(client: httpx.Client, admin: httpx.Client) -> None:
    video_id = submitted(client)["id"]
    assert again(client, video_id, "a").json()["id"] != again(admin, video_id, "a").json()["id"]
