"""What the inference worker begins with, by its settings and what the store holds."""

from pathlib import Path
from typing import Any

import pytest
from checkpoints import DEFAULT_CHECKPOINT, NAME, copy_checkpoint, publish_unchecked
from pydantic import SecretStr
from real_services import free_ports

from unmask_inference.settings import InferenceSettings
from unmask_inference.worker import load_models
from unmask_shared.errors import InvalidCheckpoint, ObjectStoreUnavailable
from unmask_shared.model.checkpoint import load_card
from unmask_shared.model_registry import ModelRegistry
from unmask_shared.object_store import LocalObjectStore
from unmask_shared.settings import StoreSettings

SHIPPED = load_card(DEFAULT_CHECKPOINT).version


def settings(**changes: Any) -> InferenceSettings:
    return InferenceSettings.model_validate({"model_dir": DEFAULT_CHECKPOINT, **changes})


@pytest.fixture
def store_settings(tmp_path: Path) -> StoreSettings:
    return StoreSettings(object_store="local", data_dir=tmp_path / "data")


@pytest.fixture
def registry(store_settings: StoreSettings) -> ModelRegistry:
    return ModelRegistry(LocalObjectStore(store_settings.data_dir / "store"))


def test_it_begins_with_what_is_active(
    registry: ModelRegistry, store_settings: StoreSettings, tmp_path: Path
) -> None:
    publish_unchecked(registry, copy_checkpoint(tmp_path / "two", version="2"), "2")
    assert load_models(settings(), store_settings).classifier().card.version == SHIPPED
    registry.activate(NAME, "2")
    assert load_models(settings(), store_settings).classifier().card.version == "2"


def test_published_models_have_to_fit_the_crop_size_that_is_set(
    registry: ModelRegistry, store_settings: StoreSettings, tmp_path: Path
) -> None:
    small = copy_checkpoint(tmp_path / "small", version="2", input_size=96)
    publish_unchecked(registry, small, "2")
    registry.activate(NAME, "2")
    versions = [
        load_models(settings(crop_size=size), store_settings).classifier().card.version
        for size in (96, 128, None)
    ]
    assert versions == ["2", SHIPPED, SHIPPED]


def test_published_models_have_to_fit_the_crop_margin_that_is_set(
    registry: ModelRegistry, store_settings: StoreSettings, tmp_path: Path
) -> None:
    wide = copy_checkpoint(tmp_path / "wide", version="2", crop_margin=0.4)
    publish_unchecked(registry, wide, "2")
    registry.activate(NAME, "2")
    versions = [
        load_models(settings(crop_margin=margin), store_settings).classifier().card.version
        for margin in (0.4, 0.3, None)
    ]
    assert versions == ["2", SHIPPED, SHIPPED]


def test_it_starts_while_the_store_is_away_and_judges_nothing_until_it_knows_with_what() -> None:
    [port] = free_ports(1)
    away = StoreSettings(
        object_store="s3",
        s3_endpoint=f"127.0.0.1:{port}",
        s3_access_key=SecretStr("unmask"),
        s3_secret_key=SecretStr("secret"),
    )
    models = load_models(settings(), away)
    with pytest.raises(ObjectStoreUnavailable):
        models.classifier()


def test_a_built_in_checkpoint_that_does_not_work_is_said_at_once(
    store_settings: StoreSettings, tmp_path: Path
) -> None:
    torn = copy_checkpoint(tmp_path / "torn", weights_sha256="0" * 64)
    with pytest.raises(InvalidCheckpoint, match="SHA-256"):
        load_models(settings(model_dir=torn), store_settings)
