"""What a caller chose reaches the pipeline, as far as the operator lets it."""

import pytest

from unmask_preprocessor.settings import PreprocessorSettings
from unmask_preprocessor.tasks import settings_for
from unmask_preprocessor.worker import build_app
from unmask_shared.settings import JobSettings, StoreSettings
from unmask_shared.videos import AnalysisOptions
from unmask_shared.vision.pipeline import VisionSettings

WORKER = VisionSettings(crop_size=64, clip_length=8, sampling="uniform")


def test_without_a_choice_the_workers_settings_hold() -> None:
    assert settings_for(WORKER, AnalysisOptions(), landmark_overlays=True) == WORKER


def test_a_choice_changes_nothing_else() -> None:
    options = AnalysisOptions(
        face_mode="full_frame", keep_faceless_frames=True, landmark_overlays=True
    )
    assert settings_for(WORKER, options, landmark_overlays=True) == VisionSettings(
        crop_size=64,
        clip_length=8,
        sampling="uniform",
        face_mode="full_frame",
        keep_faceless_frames=True,
        landmark_overlays=True,
    )


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize("wanted", [True, False])
def test_overlays_are_drawn_if_wanted_and_allowed(wanted: bool, allowed: bool) -> None:
    options = AnalysisOptions(landmark_overlays=wanted)
    settings = settings_for(WORKER, options, landmark_overlays=allowed)
    assert settings.landmark_overlays is (wanted and allowed)


def test_the_environment_sets_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    assert PreprocessorSettings().vision() == VisionSettings()
    assert PreprocessorSettings().landmark_overlays
    monkeypatch.setenv("UNMASK_LANDMARK_OVERLAYS", "false")
    monkeypatch.setenv("UNMASK_SAMPLING", "uniform")
    monkeypatch.setenv("UNMASK_CROP_SIZE", "64")
    monkeypatch.setenv("UNMASK_CLIP_LENGTH", "8")
    settings = PreprocessorSettings()
    assert not settings.landmark_overlays
    assert settings.vision() == WORKER


@pytest.mark.parametrize(
    ("name", "value"), [("SAMPLING", "some"), ("LANDMARK_OVERLAYS", "perhaps"), ("CROP_SIZE", "8")]
)
def test_settings_that_mean_nothing_are_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"UNMASK_{name}", value)
    with pytest.raises(ValueError, match=name.lower()):
        PreprocessorSettings()


def test_a_decoder_must_give_up_before_its_worker_is_killed() -> None:
    assert PreprocessorSettings().decoder_timeout_s < JobSettings().stage_time_limit_s
    with pytest.raises(ValueError, match=r"UNMASK_DECODER_TIMEOUT_S \(60\) must be below"):
        build_app(
            PreprocessorSettings(decoder_timeout_s=60),
            JobSettings(stage_time_limit_s=60),
            StoreSettings(),
        )
