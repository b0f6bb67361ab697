from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch

from unmask_shared.model.architecture import Architecture
from unmask_shared.model.card import LABELS, CardDraft, TrainingData
from unmask_shared.model.checkpoint import save_checkpoint
from unmask_shared.model.resnet_lstm import ResNetLSTM
from unmask_shared.model.scoring import Thresholds
from unmask_shared.model.transforms import IMAGENET_MEAN, IMAGENET_STD

SMALL = Architecture(trunk="resnet18", lstm_hidden=8)


def make_draft(architecture: Architecture = SMALL, **changes: object) -> CardDraft:
    content = {
        "name": "resnet-lstm",
        "version": "1.0.0",
        "created_at": datetime(2026, 1, 2, tzinfo=UTC),
        "architecture": architecture,
        "dtype": "float32",
        "clip_length": 8,
        "input_size": 32,
        "crop_margin": 0.15,
        "mean": IMAGENET_MEAN,
        "std": IMAGENET_STD,
        "labels": LABELS,
        "temperature": 1.5,
        "thresholds": Thresholds(real_below=0.3, fake_above=0.7),
        "training_data": TrainingData(
            description="none", manipulations=(), people=0, videos_real=0, videos_fake=0
        ),
        "evaluations": (),
        "licence": "none",
        "limits": (),
    }
    return CardDraft.model_validate({**content, **changes})


@pytest.fixture(scope="session")
def small_model() -> ResNetLSTM:
    torch.manual_seed(1)
    return ResNetLSTM(SMALL).eval()


@pytest.fixture
def draft() -> CardDraft:
    return make_draft()


@pytest.fixture
def checkpoint_folder(tmp_path: Path, small_model: ResNetLSTM, draft: CardDraft) -> Path:
    save_checkpoint(tmp_path / "checkpoint", model=small_model, draft=draft)
    return tmp_path / "checkpoint"
