"""From the network's logits to probabilities and a verdict; pure numpy.

A clip's logits become a calibrated probability by temperature scaling (Guo et al., "On
Calibration of Modern Neural Networks", ICML 2017). A face's probability is the trimmed mean of its
clips in log-odds: a fifth of the weight at either end is left out, and at least that of a whole
clip where there are three or more, so that one clip with motion blur or a hand in front of the face
does not decide. The video takes its most suspicious face among those that can be judged.
"""

from collections.abc import Sequence
from typing import Annotated, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from unmask_shared.videos import Reason, Verdict

MIN_CLIP_FRAMES = 4
TRIMMED_SHARE = 0.2
# Nearly the median. A clip that makes up more of a face than this is not outvoted by the others.
_MOST_TRIMMED = 0.45
# Two clips cannot tell which of them is the bad one.
_MIN_CLIPS_TO_OUTVOTE = 3
# Beyond this a clip's log-odds carry no more information: exp(-12) is 6 in a million.
_MAX_LOG_ODDS = 12.0


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Thresholds:
    """Where a verdict begins; between the two a score is inconclusive.

    Attributes:
        real_below: Fake probabilities under this one are real.
        fake_above: Fake probabilities over this one are fake.
    """

    real_below: Annotated[float, Field(ge=0, le=1)]
    fake_above: Annotated[float, Field(ge=0, le=1)]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.real_below > self.fake_above:
            raise ValueError(
                f"real_below ({self.real_below}) must not exceed fake_above ({self.fake_above})"
            )
        return self


@dataclass(frozen=True, kw_only=True)
class FaceScore:
    """What was found out about one face.

    Attributes:
        fake_probability: None where the face could not be judged.
        reason: Why it could not; None where it could.
    """

    fake_probability: float | None
    reason: Reason | None


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The verdict on a video.

    Attributes:
        verdict: Real, fake or inconclusive.
        fake_probability: That of the most suspicious face; None when no face was judged.
        reason: Why the verdict is inconclusive; None otherwise.
    """

    verdict: Verdict
    fake_probability: float | None
    reason: Reason | None


def calibrated_probability(logits: ArrayLike, temperature: float) -> NDArray[np.float64]:
    """Probability that each clip is fake.

    Args:
        logits: (N, 2) of real and fake.
        temperature: Positive; above 1 it makes the network less sure of itself.

    Returns:
        (N,) in [0, 1].
    """
    pairs = np.asarray(logits, dtype=np.float64)
    log_odds = (pairs[:, 1] - pairs[:, 0]) / temperature
    return _sigmoid(log_odds)


def face_probability(clip_probabilities: ArrayLike, weights: ArrayLike) -> float:
    """Probability that a face is fake, from the probabilities of its clips.

    A forgery that covers less than a fifth of the weight, or one clip of three or more that are
    about as long, does not move the result: that is the price of robustness, and the reason why
    the clips' own probabilities are reported beside it.

    Args:
        clip_probabilities: (N,) in [0, 1], N >= 1.
        weights: (N,) positive, usually the number of frames of each clip.

    Returns:
        A value between the smallest and the largest probability.

    Raises:
        ValueError: When there is no clip, or a weight is not positive.
    """
    probabilities = np.asarray(clip_probabilities, dtype=np.float64)
    shares = np.asarray(weights, dtype=np.float64)
    if probabilities.size == 0 or probabilities.shape != shares.shape or np.any(shares <= 0):
        raise ValueError(
            f"need as many positive weights as probabilities, at least one: "
            f"{probabilities.shape} probabilities, weights {shares.tolist()}"
        )
    order = np.argsort(probabilities, kind="stable")
    log_odds = _log_odds(probabilities[order])
    shares = shares[order] / shares.sum()
    ends = np.cumsum(shares)
    starts = np.concatenate([[0.0], ends[:-1]])
    trimmed = _trimmed_share(shares)
    kept = np.clip(ends, trimmed, 1 - trimmed) - np.clip(starts, trimmed, 1 - trimmed)
    mean = float(_sigmoid(np.average(log_odds, weights=kept)))
    return float(np.clip(mean, probabilities.min(), probabilities.max()))


def decide(
    faces: Sequence[FaceScore], thresholds: Thresholds, *, enough_seen: bool = True
) -> Decision:
    """The verdict on a video from the scores of its faces.

    The most suspicious face decides, so a video with many faces is called fake more easily than
    one with a single face; the thresholds are chosen on videos with few faces. Faces that could
    not be judged have no say; if none could, the first of them says why.

    Args:
        faces: The most prominent first.
        thresholds: Where a verdict begins.
        enough_seen: Whether enough of the video could be decoded; if not, there is no verdict.
    """
    judged = [face.fake_probability for face in faces if face.fake_probability is not None]
    highest = max(judged, default=None)
    if not enough_seen:
        return _inconclusive(Reason.TOO_LITTLE_USABLE, highest)
    if highest is None:
        return _inconclusive((faces[0].reason if faces else None) or Reason.NO_FACE_FOUND, None)
    if highest > thresholds.fake_above:
        return Decision(verdict=Verdict.FAKE, fake_probability=highest, reason=None)
    if highest < thresholds.real_below:
        return Decision(verdict=Verdict.REAL, fake_probability=highest, reason=None)
    return _inconclusive(Reason.SCORE_IN_BAND, highest)


def usable_clips(lengths: Sequence[int]) -> tuple[int, ...]:
    """Positions of the clips worth classifying.

    Clips under `MIN_CLIP_FRAMES` frames show too little of the motion; they are left out, unless
    the face has no other.
    """
    long_enough = tuple(i for i, length in enumerate(lengths) if length >= MIN_CLIP_FRAMES)
    return long_enough or tuple(range(len(lengths)))


def _inconclusive(reason: Reason, fake_probability: float | None) -> Decision:
    return Decision(verdict=Verdict.INCONCLUSIVE, fake_probability=fake_probability, reason=reason)


def _trimmed_share(shares: NDArray[np.float64]) -> float:
    if len(shares) < _MIN_CLIPS_TO_OUTVOTE:
        return TRIMMED_SHARE
    return min(max(TRIMMED_SHARE, float(shares.max())), _MOST_TRIMMED)


def _sigmoid(log_odds: ArrayLike) -> NDArray[np.float64]:
    bounded = np.clip(np.asarray(log_odds, dtype=np.float64), -700.0, 700.0)
    probabilities: NDArray[np.float64] = 1 / (1 + np.exp(-bounded))
    return probabilities


def _log_odds(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    smallest = float(_sigmoid(-_MAX_LOG_ODDS))
    bounded = np.clip(probabilities, smallest, 1 - smallest)
    return np.log(bounded) - np.log1p(-bounded)
