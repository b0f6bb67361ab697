"""Which checkpoint judges, while versions are activated, refused and rolled back."""

import logging
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import (
    DEFAULT_CHECKPOINT,
    NAME,
    copy_checkpoint,
    give_no_numbers,
    publish_unchecked,
)
from sample_documents import record_of

from unmask_inference.classifiers import ClassifierMaker
from unmask_inference.loaded import LoadedModels
from unmask_inference.model_in_use import BuiltIn, ModelInUse
from unmask_inference.published import CropForm, PublishedModels
from unmask_shared.errors import (
    DependencyUnavailable,
    InvalidCheckpoint,
    ModelUnusable,
    ObjectStoreUnavailable,
)
from unmask_shared.model.checkpoint import load_checkpoint
from unmask_shared.model.predict import ClipClassifier
from unmask_shared.model_registry import ModelRegistry
from unmask_shared.model_versions import ACTIVE_KEYS, ActiveModel, version_key
from unmask_shared.object_store import LocalObjectStore
from unmask_shared.videos import AnalysisOptions, ModelRef, VideoRecord

LOGGER = "unmask_inference.model_in_use"
BYTES = "application/octet-stream"


class SometimesAway:
    """The real folder, unless a test says that it does not answer."""

    def __init__(self, store: LocalObjectStore) -> None:
        self._store = store
        self.away = False

    def __getattr__(self, name: str) -> Any:
        if self.away:
            raise ObjectStoreUnavailable("The store is away.")
        return getattr(self._store, name)


@pytest.fixture
def store(local_store: LocalObjectStore) -> SometimesAway:
    return SometimesAway(local_store)


@pytest.fixture
def registry(store: SometimesAway) -> ModelRegistry:
    return ModelRegistry(store)


@pytest.fixture(scope="module")
def built_in() -> ClipClassifier:
    return ClipClassifier(load_checkpoint(DEFAULT_CHECKPOINT))


@pytest.fixture
def start(registry: ModelRegistry, built_in: ClipClassifier) -> Callable[[], ModelInUse]:
    """Start a worker's view of the registry; it has not looked yet."""

    def start() -> ModelInUse:
        models = PublishedModels(
            registry,
            form=CropForm.of(built_in.card),
            maker=ClassifierMaker(device=torch.device("cpu"), batch_size=4),
        )
        return ModelInUse(
            registry,
            LoadedModels(registry, models, kept=2, worker="host:1"),
            built_in=BuiltIn(classifier=built_in, folder=DEFAULT_CHECKPOINT),
            worker="host:1",
        )

    return start


@pytest.fixture
def publish(registry: ModelRegistry, tmp_path: Path) -> Callable[..., None]:
    def publish(version: str, /, **changes: Any) -> None:
        changes = {"version": version} | changes
        folder = copy_checkpoint(tmp_path / f"checkpoint-{version}", **changes)
        publish_unchecked(registry, folder, version)

    return publish


def judging(models: ModelInUse) -> str:
    return models.classifier().card.version


def test_the_built_in_checkpoint_judges_when_nothing_is_active(
    start: Callable[[], ModelInUse], built_in: ClipClassifier
) -> None:
    assert start().classifier() is built_in


def test_an_activation_is_taken_at_the_next_look_and_jobs_keep_what_they_have(
    start: Callable[[], ModelInUse], publish: Callable[..., None], registry: ModelRegistry
) -> None:
    publish("2", temperature=3.0)
    models = start()
    of_a_job = models.classifier()
    registry.activate(NAME, "2")
    assert models.classifier() is of_a_job
    models.look()
    assert judging(models) == "2"
    assert models.classifier().card.temperature == 3.0
    assert of_a_job.card.version != "2"


def test_looking_again_loads_nothing_again(
    start: Callable[[], ModelInUse], publish: Callable[..., None], registry: ModelRegistry
) -> None:
    publish("2")
    registry.activate(NAME, "2")
    models = start()
    first = models.classifier()
    models.look()
    registry.refuse(NAME, "2", InvalidCheckpoint("Not here."), worker="another:1")
    registry.activate(NAME, "2")
    models.look()
    assert models.classifier() is first
    assert registry.refusal(NAME, "2") is None


def test_rollbacks_lead_back_to_the_built_in_checkpoint(
    start: Callable[[], ModelInUse],
    publish: Callable[..., None],
    registry: ModelRegistry,
    built_in: ClipClassifier,
) -> None:
    for version in "23":
        publish(version)
        registry.activate(NAME, version)
    models = start()
    seen = [judging(models)]
    while registry.rollback() is not None:
        models.look()
        seen.append(judging(models))
    models.look()
    assert seen == ["3", "2"]
    assert models.classifier() is built_in


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"input_size": 96}, "96 px"),
        ({"crop_margin": 0.3}, r"margin 0\.3"),
        ({"face_mode": "full_frame", "input_size": 96}, "whole pictures of 96 px"),
        ({"architecture": {"trunk": "vit"}}, r"architecture\.trunk"),
        ({"architecture": {"trunk": "resnet34"}}, "does not fit the card's architecture"),
        ({"weights_sha256": "0" * 64}, "SHA-256"),
        ({"change_weights": give_no_numbers}, "not finite"),
        ({"version": "7"}, "card is that of resnet-lstm 7"),
    ],
)
def test_what_cannot_judge_is_refused_once_and_the_old_one_stays(
    start: Callable[[], ModelInUse],
    publish: Callable[..., None],
    registry: ModelRegistry,
    caplog: pytest.LogCaptureFixture,
    changes: dict[str, Any],
    reason: str,
) -> None:
    models = start()
    before = models.classifier()
    publish("2", **changes)
    registry.activate(NAME, "2")
    for _ in range(3):
        models.look()
    assert models.classifier() is before
    (line,) = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert line.name == LOGGER
    assert re.search(reason, line.getMessage())
    refusal = registry.refusal(NAME, "2")
    assert refusal is not None
    assert refusal.worker == "host:1"
    assert refusal.detail in line.getMessage()


def test_versions_for_whole_pictures_judge_these_and_no_faces(
    start: Callable[[], ModelInUse],
    publish: Callable[..., None],
    registry: ModelRegistry,
    built_in: ClipClassifier,
    caplog: pytest.LogCaptureFixture,
) -> None:
    publish("2", face_mode="full_frame", crop_margin=0.3)
    registry.activate(NAME, "2", face_mode="full_frame")
    models = start()
    assert models.classifier() is built_in
    pinned = record_of("v").model_copy(update={"model": ModelRef(name=NAME, version="2")})
    assert models.classifier_for(pinned).card.face_mode == "full_frame"

    registry.activate(NAME, "2")  # as a tool from before does, which knows one kind only
    models.look()
    assert models.classifier() is built_in
    (line,) = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert "was activated for faces" in line.getMessage()
    assert registry.refusal(NAME, "2") is None
    assert models.classifier_for(pinned).card.version == "2"


@pytest.mark.parametrize("content", [b"damaged", b"", None])
def test_bytes_that_were_not_published_are_refused(
    start: Callable[[], ModelInUse],
    publish: Callable[..., None],
    registry: ModelRegistry,
    store: SometimesAway,
    content: bytes | None,
) -> None:
    for version in "23":
        publish(version)
        registry.activate(NAME, version)
    key = version_key(NAME, "3", "weights.safetensors")
    if content is None:
        store.delete_prefix(key)
    else:
        store.put(key, content, content_type=BYTES)
    # A worker that starts has nothing older in memory: it goes back in the history.
    assert judging(start()) == "2"
    refusal = registry.refusal(NAME, "3")
    assert refusal is not None
    assert refusal.code == "damaged_model"


def test_a_repaired_version_is_taken_when_it_is_activated_again(
    start: Callable[[], ModelInUse],
    publish: Callable[..., None],
    registry: ModelRegistry,
    store: SometimesAway,
    tmp_path: Path,
) -> None:
    publish("2")
    registry.activate(NAME, "2")
    store.put(version_key(NAME, "2", "weights.safetensors"), b"x", content_type=BYTES)
    models = start()
    assert judging(models) != "2"
    publish_unchecked(registry, tmp_path / "checkpoint-2", "2")
    registry.activate(NAME, "2")
    models.look()
    assert judging(models) == "2"
    assert registry.refusal(NAME, "2") is None


@pytest.mark.parametrize("version", ["9", "../../x"])
def test_a_pointer_to_what_was_never_published_is_refused(
    start: Callable[[], ModelInUse],
    store: SometimesAway,
    caplog: pytest.LogCaptureFixture,
    built_in: ClipClassifier,
    version: str,
) -> None:
    pointer = ActiveModel.after(None, name=NAME, version=version, at=built_in.card.created_at)
    store.put(ACTIVE_KEYS["faces"], pointer.model_dump_json().encode(), content_type=BYTES)
    assert start().classifier() is built_in
    assert version in caplog.text


def test_a_damaged_pointer_is_complained_of_once_and_changes_nothing(
    start: Callable[[], ModelInUse],
    publish: Callable[..., None],
    registry: ModelRegistry,
    store: SometimesAway,
    caplog: pytest.LogCaptureFixture,
) -> None:
    publish("2")
    registry.activate(NAME, "2")
    models = start()
    assert judging(models) == "2"
    good = store.get(ACTIVE_KEYS["faces"])
    store.put(ACTIVE_KEYS["faces"], good[:-9], content_type=BYTES)
    models.look()
    models.look()
    assert judging(models) == "2"
    assert len([r for r in caplog.records if "active.json" in r.getMessage()]) == 1
    registry.activate(NAME, "2")
    models.look()
    assert judging(models) == "2"


def test_a_store_that_is_away_lets_the_first_job_wait_and_later_ones_go_on(
    start: Callable[[], ModelInUse],
    publish: Callable[..., None],
    registry: ModelRegistry,
    store: SometimesAway,
) -> None:
    publish("2")
    registry.activate(NAME, "2")
    models = start()
    store.away = True
    with pytest.raises(DependencyUnavailable):
        models.classifier()
    store.away = False
    assert judging(models) == "2"
    store.away = True
    with pytest.raises(DependencyUnavailable):
        models.look()
    assert judging(models) == "2"


def test_no_room_for_the_files_is_no_fault_of_the_checkpoint(
    start: Callable[[], ModelInUse],
    publish: Callable[..., None],
    registry: ModelRegistry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    publish("2")
    registry.activate(NAME, "2")
    models = start()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(DependencyUnavailable, match="missing"):
        models.classifier()
    monkeypatch.undo()
    assert judging(models) == "2"
    assert registry.refusal(NAME, "2") is None


def test_the_thread_follows_through_an_absence_of_the_store(
    start: Callable[[], ModelInUse],
    publish: Callable[..., None],
    registry: ModelRegistry,
    store: SometimesAway,
    caplog: pytest.LogCaptureFixture,
) -> None:
    publish("2")
    models = start()
    models.look()
    with models.following(every_s=0.02):
        store.away = True
        time.sleep(0.3)
        assert judging(models) != "2"
        store.away = False
        registry.activate(NAME, "2")
        deadline = time.monotonic() + 30
        while judging(models) != "2":
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert len([r for r in caplog.records if "The store is away." in r.getMessage()]) == 1


def test_no_files_are_left_behind(
    start: Callable[[], ModelInUse],
    publish: Callable[..., None],
    registry: ModelRegistry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    publish("2")
    publish("3", input_size=96)
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    for version in "23":
        registry.activate(NAME, version)
        start().classifier()
    assert list((tmp_path / "scratch").iterdir()) == []


# --- the built-in checkpoint as a version ----------------------------------------------------


def test_the_built_in_checkpoint_is_published_and_announced_once(
    start: Callable[[], ModelInUse], registry: ModelRegistry, built_in: ClipClassifier
) -> None:
    start().look()
    announced = registry.built_in()
    assert announced is not None
    assert (announced.name, announced.version) == (NAME, built_in.card.version)
    published = registry.manifest(NAME, built_in.card.version)
    assert {"card.json", "weights.safetensors", *built_in.card.figures} == published.files.keys()
    assert registry.active() is None
    start().look()
    assert registry.built_in() == announced


def test_another_checkpoint_of_the_same_version_is_not_announced_and_judges_on(
    start: Callable[[], ModelInUse],
    publish: Callable[..., None],
    registry: ModelRegistry,
    built_in: ClipClassifier,
    caplog: pytest.LogCaptureFixture,
) -> None:
    publish(built_in.card.version, temperature=3.0)
    models = start()
    for _ in range(2):
        models.look()
    assert registry.built_in() is None
    assert models.classifier() is built_in
    assert models.classifier_for(accepted_with(built_in.card.version)).card.temperature == 3.0
    (line,) = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert "new version" in line.getMessage()


# --- videos that were accepted with a version ------------------------------------------------


def accepted_with(version: str | None, *, chosen: bool = False) -> VideoRecord:
    model = None if version is None else ModelRef(name=NAME, version=version)
    options = AnalysisOptions(model=str(model)) if chosen else AnalysisOptions()
    return record_of("1").model_copy(update={"model": model, "options": options})


def test_a_video_is_judged_by_the_version_it_was_accepted_with(
    start: Callable[[], ModelInUse],
    publish: Callable[..., None],
    registry: ModelRegistry,
    built_in: ClipClassifier,
) -> None:
    for version in "23":
        publish(version)
    registry.activate(NAME, "3")
    models = start()
    for chosen in (False, True):
        found = models.classifier_for(accepted_with("2", chosen=chosen))
        assert found.card.version == "2"
    assert models.classifier_for(accepted_with(built_in.card.version)) is built_in
    assert models.classifier_for(accepted_with(None)).card.version == "3"
    assert judging(models) == "3"


def test_versions_stay_in_memory_until_others_are_used_but_the_active_one_always(
    start: Callable[[], ModelInUse], publish: Callable[..., None], registry: ModelRegistry
) -> None:
    for version in "234":
        publish(version)
    registry.activate(NAME, "2")
    models = start()
    active = models.classifier_for(accepted_with("2"))
    third = models.classifier_for(accepted_with("3"))
    assert models.classifier_for(accepted_with("3")) is third
    models.classifier_for(accepted_with("4"))  # two are kept
    assert models.classifier_for(accepted_with("2")) is active
    assert models.classifier_for(accepted_with("3")) is not third


def test_the_active_version_is_in_memory_before_a_video_asks_for_it(
    start: Callable[[], ModelInUse],
    publish: Callable[..., None],
    registry: ModelRegistry,
    store: SometimesAway,
) -> None:
    publish("2")
    models = start()
    models.look()
    registry.activate(NAME, "2")
    models.look()
    store.away = True
    assert models.classifier_for(accepted_with("2")).card.version == "2"


@pytest.mark.parametrize(
    ("version", "changes", "reason"),
    [
        ("2", {"change_weights": give_no_numbers}, "not finite"),
        ("2", {"input_size": 96}, "96 px"),
        ("9", {}, "not published"),
    ],
)
def test_only_a_choice_of_what_cannot_be_used_lets_the_video_fail(
    start: Callable[[], ModelInUse],
    publish: Callable[..., None],
    registry: ModelRegistry,
    built_in: ClipClassifier,
    caplog: pytest.LogCaptureFixture,
    version: str,
    changes: dict[str, Any],
    reason: str,
) -> None:
    publish("2", **changes)
    models = start()
    with pytest.raises(ModelUnusable, match=reason) as failure:
        models.classifier_for(accepted_with(version, chosen=True))
    assert not failure.value.retryable
    refusal = registry.refusal(NAME, version)
    assert refusal is not None
    assert re.search(reason, refusal.detail)
    assert models.classifier_for(accepted_with(version)) is built_in
    assert f"instead of {NAME}/{version}" in caplog.text


def test_what_was_refused_a_moment_ago_is_fetched_again_only_when_it_is_activated(
    start: Callable[[], ModelInUse],
    publish: Callable[..., None],
    registry: ModelRegistry,
    store: SometimesAway,
    tmp_path: Path,
) -> None:
    publish("2")
    weights = version_key(NAME, "2", "weights.safetensors")
    store.put(weights, b"x", content_type=BYTES)
    models = start()
    with pytest.raises(ModelUnusable):
        models.classifier_for(accepted_with("2", chosen=True))
    publish_unchecked(registry, tmp_path / "checkpoint-2", "2")  # which repairs it
    with pytest.raises(ModelUnusable):
        models.classifier_for(accepted_with("2", chosen=True))
    registry.activate(NAME, "2")
    models.look()
    assert models.classifier_for(accepted_with("2", chosen=True)).card.version == "2"
    assert registry.refusal(NAME, "2") is None


def test_a_video_waits_for_a_store_that_is_away(
    start: Callable[[], ModelInUse], publish: Callable[..., None], store: SometimesAway
) -> None:
    publish("2")
    models = start()
    models.look()
    store.away = True
    with pytest.raises(DependencyUnavailable):
        models.classifier_for(accepted_with("2", chosen=True))
    store.away = False
    assert models.classifier_for(accepted_with("2", chosen=True)).card.version == "2"


def test_two_threads_that_ask_for_a_version_load_it_once(
    start: Callable[[], ModelInUse], publish: Callable[..., None]
) -> None:
    publish("2")
    models = start()
    models.look()
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(models.classifier_for, [accepted_with("2")] * 2)
    assert first is second
