"""What `make demo` prints about a finished video."""

from typing import Any

import pytest

from unmask_shared.videos import Reason
from unmask_standalone.demo import describe


@pytest.fixture
def finished() -> dict[str, Any]:
    return {
        "source": {"width": 960, "height": 540, "duration_s": 6.0, "frames": 180, "fps": 30.0},
        "model": {"name": "resnet-lstm", "version": "0.1.0"},
        "result": {
            "verdict": "fake",
            "fake_probability": 0.912,
            "reason": None,
            "faces": [
                {
                    "track_id": 0,
                    "fake_probability": 0.912,
                    "start_s": 0.0,
                    "end_s": 6.0,
                    "segments": [{"start_s": 0.5, "end_s": 1.0, "fake_probability": 0.95}],
                }
            ],
        },
        "timings_ms": {"queued": 12, "preprocessing": 1500, "inferring": None},
    }


def test_it_names_verdict_faces_segments_model_and_times(finished: dict[str, Any]) -> None:
    text = describe(finished, 2.04)
    assert "VERDICT  FAKE" in text
    assert "face 0: 0.91 from 0.0 s to 6.0 s" in text
    assert "0.5s 0.95" in text
    assert "queued 12 ms, preprocessing 1500 ms; from POST to verdict 2.0 s" in text
    assert "resnet-lstm 0.1.0" in text


def test_it_says_which_segments_were_not_judged(finished: dict[str, Any]) -> None:
    blurred = {"start_s": 2.0, "end_s": 2.5, "fake_probability": None}
    finished["result"]["faces"][0]["segments"].append(blurred | {"reason": "faces_too_blurred"})
    assert "0.5s 0.95  2.0s not judged (faces_too_blurred)" in describe(finished, 1.0)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (Reason.NO_FACE_FOUND, "no face was found"),
        (Reason.NO_FACE_MODEL, "judges whole pictures"),
        (Reason.NO_FULL_FRAME_MODEL, "judges faces"),
        (Reason.FACES_TOO_SMALL, "too small"),
        (Reason.FACES_TOO_BLURRED, "too blurred"),
        (Reason.TOO_LITTLE_USABLE, "too little of the video"),
        (Reason.SCORE_IN_BAND, "between the thresholds"),
    ],
)
def test_it_says_why_a_verdict_is_inconclusive(
    finished: dict[str, Any], reason: Reason, words: str
) -> None:
    finished["result"] |= {
        "verdict": "inconclusive",
        "reason": reason.value,
        "fake_probability": None,
        "faces": [],
    }
    assert words in describe(finished, 1.0)
