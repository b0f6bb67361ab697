"""Models over HTTP: what is listed, what a card shows, what judges, and who may change that."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from gateway_process import GatewayProcess, running_gateway
from real_services import ValkeyServer

from unmask_shared.artifacts import record_key
from unmask_shared.errors import InvalidCheckpoint
from unmask_shared.model_registry import ModelRegistry
from unmask_shared.model_versions import version_key
from unmask_shared.object_store import LocalObjectStore
from unmask_shared.records import read_document
from unmask_shared.videos import VideoRecord

ROOT = Path(__file__).parents[2]
NAME = "resnet-lstm"
ADMIN_KEY = "0123456789abcdef" * 3
VIDEO = b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(range(256)) * 100
PNG = b"\x89PNG\r\n\x1a\nabc"


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, valkey: ValkeyServer
) -> Iterator[GatewayProcess]:
    with running_gateway(
        tmp_path_factory.mktemp("gateway"), redis_url=valkey.url, shutdown_grace_s=1
    ) as process:
        yield process


@pytest.fixture
def store(gateway: GatewayProcess) -> LocalObjectStore:
    found = LocalObjectStore(gateway.data_dir / "store")
    found.delete_prefix("models/")
    return found


@pytest.fixture
def registry(store: LocalObjectStore) -> ModelRegistry:
    return ModelRegistry(store)


@pytest.fixture
def client(gateway: GatewayProcess, redis_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, trust_env=False, timeout=20) as found:
        yield found


def checkpoint(folder: Path, version: str, **changes: Any) -> dict[str, Path]:
    """Files of a version with the card that ships; the weights are nobody's."""
    card = json.loads((ROOT / "models/default/card.json").read_text()) | {"version": version}
    card |= {"figures": ["figures/loss.png", "figures/deep/roc.png", "figures/map.svg"]} | changes
    files = {"card.json": json.dumps(card).encode(), "weights.safetensors": b"weights"}
    for path, data in (files | dict.fromkeys(card["figures"], PNG)).items():
        (folder / version / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / version / path).write_bytes(data)
    paths = [*files, *card["figures"], "figures/unnamed.png"]
    (folder / version / "figures/unnamed.png").write_bytes(PNG)
    return {path: folder / version / path for path in paths}


def publish(registry: ModelRegistry, folder: Path, version: str, **changes: Any) -> None:
    registry.publish(NAME, version, checkpoint(folder, version, **changes))


def announce(registry: ModelRegistry, folder: Path, version: str) -> None:
    registry.announce_built_in(NAME, version, checkpoint(folder, version), worker="host:1")


def submit(client: httpx.Client, **options: str) -> httpx.Response:
    return client.post("/videos", data=options, files={"file": ("a.mp4", VIDEO, "video/mp4")})


def accepted_with(client: httpx.Client, store: LocalObjectStore, **options: str) -> str | None:
    """The version that a video which is sent now is recorded with."""
    response = submit(client, **options)
    assert response.status_code == 202, response.text
    record = read_document(store, record_key(response.json()["id"]), VideoRecord)
    assert record is not None
    shown = response.json()["model"]
    assert shown == (record.model.model_dump() if record.model else None)
    return record.model.version if record.model else None


def assert_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["code"] == code
    return problem


def states(client: httpx.Client) -> dict[str, tuple[bool, bool]]:
    models = client.get("/models").json()["models"]
    return {one["version"]: (one["active"], one["built_in"]) for one in models}


# --- what there is ---------------------------------------------------------------------------


def test_models_are_listed_with_what_their_cards_say(
    client: httpx.Client, registry: ModelRegistry, tmp_path: Path
) -> None:
    assert client.get("/models").json() == {"models": []}
    announce(registry, tmp_path, "1.0")
    publish(registry, tmp_path, "2.0")
    while not states(client)["1.0"][0]:  # what judges is known for a second
        continue
    (first, second) = client.get("/models").json()["models"]
    assert (first["name"], first["version"]) == (NAME, "1.0")
    assert (first["active"], first["built_in"], first["problem"]) == (True, True, None)
    assert (second["active"], second["built_in"]) == (False, False)
    card = json.loads((ROOT / "models/default/card.json").read_text())
    summary = first["summary"]
    for field in ("input_size", "thresholds", "licence", "limits"):
        assert summary[field] == card[field]
    assert summary["evaluations"]
    for row in summary["evaluations"]:
        assert row["level"] == "video"
        assert row["auc_interval"]["low"] <= row["auc"] <= row["auc_interval"]["high"]
    assert "no-store" in client.get("/models").headers["cache-control"]


def test_the_whole_card_and_its_pictures_can_be_read(
    client: httpx.Client, registry: ModelRegistry, tmp_path: Path
) -> None:
    publish(registry, tmp_path, "1.0")
    (entry,) = client.get("/models").json()["models"]
    details = client.get(entry["card"]).json()
    assert details["card"] == json.loads((tmp_path / "1.0/card.json").read_text())
    assert details["figures"] == entry["figures"]
    # No vector graphics, which could carry scripts.
    assert [path.rpartition("figures/")[2] for path in entry["figures"]] == [
        "loss.png",
        "deep/roc.png",
    ]
    for path in entry["figures"]:
        picture = client.get(path)
        assert picture.content == PNG
        assert picture.headers["content-type"] == "image/png"


@pytest.mark.parametrize(
    "file",
    ["unnamed.png", "map.svg", "..%2Fcard.json", "deep%2F..%2Floss.png", "loss.png/x", "x" * 3000],
)
def test_only_pictures_that_the_card_names_are_served(
    client: httpx.Client, registry: ModelRegistry, tmp_path: Path, file: str
) -> None:
    publish(registry, tmp_path, "1.0")
    response = client.get(f"/models/{NAME}/1.0/figures/{file}")
    assert response.status_code == 404, response.text
    assert response.headers["content-type"] == "application/problem+json"


def test_models_that_are_not_there_are_problems(client: httpx.Client) -> None:
    assert_problem(client.get(f"/models/{NAME}/9"), 404, "model_not_found")
    assert_problem(client.get("/models/UPPER/9"), 422, "invalid_model_ref")
    assert_problem(client.get(f"/models/{NAME}/9/figures/loss.png"), 404, "model_not_found")


def test_what_cannot_be_used_is_listed_with_the_reason(
    client: httpx.Client, registry: ModelRegistry, store: LocalObjectStore, tmp_path: Path
) -> None:
    for version in ("1.0", "2.0", "3.0"):
        publish(registry, tmp_path, version)
    registry.refuse(NAME, "2.0", InvalidCheckpoint("Its logits are not finite."), worker="host:1")
    store.put(version_key(NAME, "3.0", "card.json"), b"{}", content_type="application/json")
    first, second, third = client.get("/models").json()["models"]
    assert first["problem"] is None
    assert second["problem"]["detail"] == "Its logits are not finite."
    assert second["problem"]["worker"] == "host:1"
    assert third["problem"]["code"] == "damaged_model"
    assert third["summary"] is None
    assert_problem(client.get(third["card"]), 500, "damaged_model")


# --- what judges -----------------------------------------------------------------------------


def test_videos_are_recorded_with_the_version_that_is_active_when_they_come(
    client: httpx.Client, registry: ModelRegistry, store: LocalObjectStore, tmp_path: Path
) -> None:
    client.delete("/models/active")  # so that the gateway reads anew
    announce(registry, tmp_path, "1.0")
    for version in ("2.0", "3.0"):
        publish(registry, tmp_path, version)
        activated = client.put("/models/active", json={"name": NAME, "version": version})
        assert activated.status_code == 200, activated.text
        assert activated.json()["model"] == {"name": NAME, "version": version}
        assert accepted_with(client, store) == version
    assert states(client) == {"1.0": (False, True), "2.0": (False, False), "3.0": (True, False)}
    assert accepted_with(client, store, model=f"{NAME}/2.0") == "2.0"
    seen = []
    while (undone := client.delete("/models/active")).status_code == 200:
        seen.append(undone.json()["model"]["version"])
        assert accepted_with(client, store) == seen[-1]
    assert seen == ["2.0", "1.0"]
    assert_problem(undone, 409, "nothing_to_roll_back")
    assert registry.active() is None


def test_versions_for_faces_and_for_whole_pictures_are_active_side_by_side(
    client: httpx.Client, registry: ModelRegistry, store: LocalObjectStore, tmp_path: Path
) -> None:
    # The gateway keeps cards, which never change: these versions are of no other test.
    announce(registry, tmp_path, "11.0")
    publish(registry, tmp_path, "12.0", face_mode="full_frame")
    publish(registry, tmp_path, "13.0", face_mode="full_frame")
    whole = {"face_mode": "full_frame"}
    while client.get("/models/active", params=whole).json()["model"]["version"] != "11.0":
        continue  # what was asked for a moment ago is remembered
    assert accepted_with(client, store, **whole) == "11.0"  # which will say that it cannot
    for version in ("12.0", "13.0"):
        activated = client.put("/models/active", json={"name": NAME, "version": version})
        assert activated.json()["model"]["version"] == version, activated.text
        assert accepted_with(client, store, **whole) == version
        assert accepted_with(client, store) == "11.0"
    assert states(client) == {"11.0": (True, True), "12.0": (False, False), "13.0": (True, False)}
    assert client.get("/models/active").json()["model"]["version"] == "11.0"
    assert client.get("/models/active", params=whole).json()["model"]["version"] == "13.0"
    assert_problem(client.delete("/models/active"), 409, "nothing_to_roll_back")
    seen = []
    while (undone := client.delete("/models/active", params=whole)).status_code == 200:
        seen.append(undone.json()["model"]["version"])
        assert accepted_with(client, store, **whole) == seen[-1]
    assert seen == ["12.0", "11.0"]
    assert_problem(undone, 409, "nothing_to_roll_back")
    unknown = client.get("/models/active", params={"face_mode": "profile"})
    assert_problem(unknown, 422, "invalid_request")


def test_a_model_is_activated_by_one_gateway_and_seen_by_all_within_seconds(
    client: httpx.Client, registry: ModelRegistry, tmp_path: Path
) -> None:
    publish(registry, tmp_path, "2.0")
    client.get("/models/active")
    registry.activate(NAME, "2.0")  # as another gateway, or the trainer, does
    while client.get("/models/active").json()["model"] != {"name": NAME, "version": "2.0"}:
        continue


def test_what_workers_refused_is_not_what_videos_are_recorded_with(
    client: httpx.Client, registry: ModelRegistry, store: LocalObjectStore, tmp_path: Path
) -> None:
    for version in ("1.0", "2.0"):
        publish(registry, tmp_path, version)
        client.put("/models/active", json={"name": NAME, "version": version})
    registry.refuse(NAME, "2.0", InvalidCheckpoint("It does not work."), worker="host:1")
    again = {"name": NAME, "version": "2.0"}
    problem = assert_problem(client.put("/models/active", json=again), 422, "model_refused")
    assert "It does not work." in problem["detail"]
    assert "host:1" in problem["detail"]
    assert_problem(submit(client, model=f"{NAME}/2.0"), 422, "model_refused")
    # An operator who has put the cause right; the workers have not looked yet.
    retried = client.put("/models/active", json=again | {"despite_refusal": True})
    assert retried.json()["model"]["version"] == "1.0"
    assert [one["version"] for one in retried.json()["refused"]] == ["2.0"]
    assert accepted_with(client, store) == "1.0"


def test_the_built_in_model_judges_on_even_if_workers_that_go_have_refused_it(
    client: httpx.Client, registry: ModelRegistry, store: LocalObjectStore, tmp_path: Path
) -> None:
    announce(registry, tmp_path, "2.0")
    registry.refuse(NAME, "2.0", InvalidCheckpoint("Other crops."), worker="old:1")
    client.delete("/models/active")
    for options in ({}, {"model": f"{NAME}/2.0"}):
        while accepted_with(client, store, **options) != "2.0":  # for a second
            continue
    assert client.get(f"/models/{NAME}/2.0").json()["problem"] is None


def test_before_any_worker_has_started_videos_are_accepted_without_a_model(
    client: httpx.Client, store: LocalObjectStore
) -> None:
    while accepted_with(client, store) is not None:  # what the test before left is known a second
        continue
    assert client.get("/models/active").json()["model"] is None


@pytest.mark.parametrize(
    ("model", "code"), [(f"{NAME}/9.9", "unknown_model"), ("../x", "invalid_option")]
)
def test_what_cannot_be_chosen_is_refused_and_leaves_nothing(
    client: httpx.Client,
    gateway: GatewayProcess,
    registry: ModelRegistry,
    tmp_path: Path,
    model: str,
    code: str,
) -> None:
    publish(registry, tmp_path, "1.0")
    before = gateway.stored_keys()
    problem = assert_problem(submit(client, model=model), 422, code)
    if code == "unknown_model":
        assert f"published are {NAME}/1.0" in problem["detail"]
    assert gateway.stored_keys() == before


@pytest.mark.parametrize(
    "body",
    [
        {"name": NAME},
        {"name": "../x", "version": "1"},
        {"name": NAME, "version": "1.0", "force": True},
    ],
)
def test_malformed_activations_are_refused(client: httpx.Client, body: dict[str, Any]) -> None:
    assert_problem(client.put("/models/active", json=body), 422, "invalid_request")


def test_damaged_files_are_not_activated(
    client: httpx.Client, registry: ModelRegistry, store: LocalObjectStore, tmp_path: Path
) -> None:
    publish(registry, tmp_path, "1.0")
    store.put(version_key(NAME, "1.0", "weights.safetensors"), b"rot", content_type="")
    response = client.put("/models/active", json={"name": NAME, "version": "1.0"})
    assert "weights.safetensors" in assert_problem(response, 422, "model_refused")["detail"]
    assert registry.active() is None


def test_only_administrators_change_what_judges(
    tmp_path: Path, valkey: ValkeyServer, redis_url: str
) -> None:
    gateway = GatewayProcess(
        tmp_path, redis_url=valkey.url, access="keys", admin_key=ADMIN_KEY, shutdown_grace_s=1
    )
    gateway.run()
    try:
        registry = ModelRegistry(LocalObjectStore(gateway.data_dir / "store"))
        publish(registry, tmp_path, "1.0")
        active = {"name": NAME, "version": "1.0"}
        with httpx.Client(base_url=gateway.url, trust_env=False, timeout=20) as client:
            admin = {"Authorization": f"Bearer {ADMIN_KEY}"}
            made = client.post(
                "/keys", json={"name": "x", "scopes": ["read", "submit"]}, headers=admin
            ).json()
            user = {"Authorization": f"Bearer {made['key']}"}
            assert client.get("/models").status_code == 401
            assert client.get("/models", headers=user).status_code == 200
            for send in (
                lambda headers: client.put("/models/active", json=active, headers=headers),
                lambda headers: client.delete("/models/active", headers=headers),
            ):
                assert_problem(send(user), 403, "missing_scope")
                assert registry.active() is None
            assert client.put("/models/active", json=active, headers=admin).status_code == 200
    finally:
        gateway.kill()
