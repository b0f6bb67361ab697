"""The commands that publish checkpoints and choose the one that judges, on a local store."""

from pathlib import Path

import pytest
from checkpoints import (
    DEFAULT_CHECKPOINT,
    NAME,
    copy_checkpoint,
    give_no_numbers,
    publish_unchecked,
)

from unmask_shared.errors import IncompatibleCheckpoint
from unmask_shared.model.checkpoint import load_card
from unmask_shared.model_registry import ModelRegistry
from unmask_shared.model_versions import ACTIVE_KEYS, version_key
from unmask_shared.object_store import LocalObjectStore
from unmask_trainer.__main__ import main

BUILT_IN = "UNMASK_MODEL_DIR"
SHIPPED = load_card(DEFAULT_CHECKPOINT).version


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalObjectStore:
    """The store that the commands use."""
    monkeypatch.delenv("UNMASK_OBJECT_STORE", raising=False)
    monkeypatch.setenv("UNMASK_DATA_DIR", str(tmp_path / "data"))
    return LocalObjectStore(tmp_path / "data" / "store")


@pytest.fixture
def registry(store: LocalObjectStore) -> ModelRegistry:
    return ModelRegistry(store)


def publish(folder: Path = DEFAULT_CHECKPOINT, *more: str) -> int:
    return main(["publish", str(folder), *more])


def test_publishing_stores_the_checkpoint_with_its_figures(
    registry: ModelRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert publish() == 0
    assert f"{NAME} {SHIPPED} is published in {tmp_path / 'data' / 'store'}" in (
        capsys.readouterr().out
    )
    registry.fetch(NAME, SHIPPED, tmp_path / "fetched")
    for file in DEFAULT_CHECKPOINT.rglob("*.*"):
        fetched = tmp_path / "fetched" / file.relative_to(DEFAULT_CHECKPOINT)
        assert fetched.read_bytes() == file.read_bytes()
    assert registry.active() is None


def test_publishing_under_another_version_changes_the_published_card_only(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    assert publish(DEFAULT_CHECKPOINT, "--version", "9.0", "--activate") == 0
    registry.fetch(NAME, "9.0", tmp_path / "fetched")
    shipped = load_card(DEFAULT_CHECKPOINT)
    assert load_card(tmp_path / "fetched") == shipped.model_copy(update={"version": "9.0"})
    active = registry.active()
    assert active is not None
    assert (active.name, active.version) == (NAME, "9.0")


@pytest.mark.parametrize("version", ["", "1/2", "../3"])
def test_an_impossible_version_is_refused(
    registry: ModelRegistry, capsys: pytest.CaptureFixture[str], version: str
) -> None:
    assert publish(DEFAULT_CHECKPOINT, "--version", version) == 2
    assert repr(version) in capsys.readouterr().err
    assert registry.versions() == []


def test_a_checkpoint_that_does_not_work_is_not_published(
    registry: ModelRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nan = copy_checkpoint(tmp_path / "nan", change_weights=give_no_numbers)
    torn = copy_checkpoint(tmp_path / "torn", weights_sha256="0" * 64)
    hostile = copy_checkpoint(tmp_path / "hostile", figures=["../../secret.png"])
    missing = copy_checkpoint(tmp_path / "missing", figures=["figures/roc.png"])
    for folder, reason in (
        (nan, "not finite"),
        (torn, "SHA-256"),
        (hostile, "../../secret.png"),
        (missing, "roc.png"),
        (tmp_path / "nowhere", "nowhere"),
    ):
        assert publish(folder) == 2
        assert reason in capsys.readouterr().err
    assert registry.versions() == []


def test_other_content_needs_another_version(
    registry: ModelRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert publish() == 0
    changed = copy_checkpoint(tmp_path / "changed", temperature=2.0)
    assert publish(changed) == 2
    assert "card.json" in capsys.readouterr().err
    assert publish(changed, "--version", "9.0") == 0
    assert registry.versions() == [(NAME, SHIPPED), (NAME, "9.0")]


def test_what_was_published_without_a_trial_is_not_activated(
    registry: ModelRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish_unchecked(
        registry,
        copy_checkpoint(tmp_path / "nan", version="9.0", change_weights=give_no_numbers),
        "9.0",
    )
    publish_unchecked(registry, DEFAULT_CHECKPOINT, "9.1")
    for version, reason in (("9.0", "not finite"), ("9.1", SHIPPED), ("9.2", "not published")):
        assert main(["models", "activate", NAME, version]) == 2
        assert reason in capsys.readouterr().err
    assert registry.active() is None


def test_activations_are_undone_back_to_what_comes_with_the_workers(
    registry: ModelRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    for version in ("9.0", "9.1"):
        publish(DEFAULT_CHECKPOINT, "--version", version)
        assert main(["models", "activate", NAME, version]) == 0
    capsys.readouterr()
    assert main(["models", "rollback"]) == 0
    assert f"Active for faces: {NAME} 9.0." in capsys.readouterr().out
    assert main(["models", "rollback"]) == 0
    assert BUILT_IN in capsys.readouterr().out
    assert registry.active() is None
    assert main(["models", "rollback"]) == 2


def test_the_list_says_what_is_active_refused_and_broken(
    store: LocalObjectStore, registry: ModelRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    def listed() -> str:
        capsys.readouterr()
        assert main(["models", "list"]) == 0
        return capsys.readouterr().out

    assert BUILT_IN in listed()
    for version in ("9.0", "9.1", "9.2"):
        publish_unchecked(registry, DEFAULT_CHECKPOINT, version)
    active = registry.activate(NAME, "9.1")
    registry.refuse(
        active.name, active.version, IncompatibleCheckpoint("it is square"), worker="host:7"
    )
    store.put(version_key(NAME, "9.2", "manifest.json"), b"{", content_type="application/json")
    lines = listed().splitlines()
    assert f"Active for faces: {NAME} 9.1." in lines
    (line,) = [row for row in lines if "9.1  " in row]
    assert "active, but refused by host:7" in line
    assert "it is square" in line
    assert "manifest.json is no valid" in next(row for row in lines if "9.2  " in row)
    assert any(row.endswith("9.0") for row in lines)

    store.put(ACTIVE_KEYS["faces"], b"{", content_type="application/json")
    assert "active.json is no valid" in listed()


def test_a_version_is_shown_with_its_measurements_and_limits(
    registry: ModelRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "show"]) == 0
    assert BUILT_IN in capsys.readouterr().out
    publish(DEFAULT_CHECKPOINT, "--activate")
    capsys.readouterr()
    assert main(["models", "show"]) == 0
    by_default = capsys.readouterr().out
    assert main(["models", "show", NAME, SHIPPED]) == 0
    assert capsys.readouterr().out == by_default
    card = load_card(DEFAULT_CHECKPOINT)
    for text in (card.weights_sha256, card.limits[0], f"AUC {card.evaluations[0].auc:.3f}"):
        assert text in by_default
    for words in (card.intended_use, card.out_of_scope_uses[0], card.ethical_considerations[0]):
        assert words in by_default
    assert main(["models", "show", NAME]) == 2
    assert "Give a version" in capsys.readouterr().err


def test_intervals_stand_behind_the_figures(
    registry: ModelRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = load_card(DEFAULT_CHECKPOINT).evaluations[0].model_dump()
    row |= {"auc": 0.8, "auc_interval": {"low": 0.7, "high": 0.85}, "people": 12}
    folder = copy_checkpoint(tmp_path / "c", version="9.3", evaluations=[row])
    publish_unchecked(registry, folder, "9.3")

    assert main(["models", "show", NAME, "9.3"]) == 0

    shown = capsys.readouterr().out
    assert "AUC 0.800 (0.700 to 0.850)" in shown
    assert f"of {row['people']} people" in shown


def test_a_checkpoint_for_whole_pictures_is_activated_beside_the_one_for_faces(
    registry: ModelRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(DEFAULT_CHECKPOINT, "--version", "9.0", "--activate")
    publish(copy_checkpoint(tmp_path / "whole", face_mode="full_frame"), "--version", "9.1")
    assert main(["models", "activate", NAME, "9.1"]) == 0
    capsys.readouterr()
    assert main(["models", "list"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert f"Active for faces: {NAME} 9.0." in listed
    assert f"Active for whole pictures: {NAME} 9.1." in listed
    assert sum(line.endswith("active") for line in listed) == 2
    assert main(["models", "rollback", "--full-frame"]) == 0
    assert "Active for whole pictures: none" in capsys.readouterr().out
    assert registry.active("full_frame") is None
    assert registry.active() is not None
