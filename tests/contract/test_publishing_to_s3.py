"""From the trainer's command to the worker's classifier, through a real S3 server."""

import pytest
from checkpoints import DEFAULT_CHECKPOINT, NAME
from real_services import SeaweedServer

from unmask_inference.settings import InferenceSettings
from unmask_inference.worker import load_models
from unmask_shared.object_store import ObjectStore
from unmask_trainer.__main__ import main


def test_what_the_trainer_publishes_and_activates_is_what_a_worker_judges_with(
    s3_server: SeaweedServer,
    s3_store: ObjectStore,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = s3_server.settings()
    for name, value in {
        "OBJECT_STORE": "s3",
        "S3_ENDPOINT": settings.s3_endpoint,
        "S3_BUCKET": settings.s3_bucket,
        "S3_ACCESS_KEY": settings.s3_access_key.get_secret_value(),
        "S3_SECRET_KEY": settings.s3_secret_key.get_secret_value(),
    }.items():
        monkeypatch.setenv(f"UNMASK_{name}", value)
    models = load_models(InferenceSettings(model_dir=DEFAULT_CHECKPOINT), settings)
    built_in = models.classifier()

    assert main(["publish", str(DEFAULT_CHECKPOINT), "--version", "9.0", "--activate"]) == 0
    assert f"bucket {settings.s3_bucket} at {settings.s3_endpoint}" in capsys.readouterr().out
    models.look()
    assert models.classifier().card.version == "9.0"
    assert s3_store.exists(f"models/{NAME}/9.0/figures/loss.png")

    assert main(["models", "rollback"]) == 0
    models.look()
    assert models.classifier() is built_in
