"""`metrics.json`: everything that an evaluation found, for programs to read."""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from unmask_shared.model.scoring import Thresholds

METRICS_FILE: Final = "metrics.json"
FIGURES_FOLDER: Final = "figures"
"""Beside the document: the charts that are drawn of it."""

Figure = Annotated[float, AfterValidator(lambda value: round(value, 6))]
Count = Annotated[int, Field(ge=0)]
Level = Literal["video", "clip"]
Label = Literal["real", "fake"]
VerdictName = Literal["real", "inconclusive", "fake"]
SliceKind = Literal["all", "dataset", "method", "column"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Estimate(_Part):
    """A figure with its 95 % interval.

    `value` is None when the figure is not defined, `low` and `high` are None when there is too
    little to say how far off the figure may be.
    """

    value: Figure | None
    low: Figure | None
    high: Figure | None


class Resampling(_Part):
    """The bootstrap over identities behind the intervals."""

    resamples: Annotated[int, Field(ge=100)] = 1000
    seed: int = 0


class Counts(_Part):
    """Decisions where a probability over 0.5 is taken as fake."""

    true_real: Count
    false_fake: Count
    false_real: Count
    true_fake: Count


class Verdicts(_Part):
    """How often each verdict was given, by the checkpoint's thresholds."""

    real: Count
    inconclusive: Count
    fake: Count


class Summary(_Part):
    """All figures of one set of predictions; `metrics` has the names of `metrics.METRICS`."""

    rows: Count
    real: Count
    fake: Count
    identities: Count
    metrics: dict[str, Estimate]
    confusion: Counts
    verdicts: dict[str, Verdicts]


class Slice(_Part):
    """A summary and the predictions that it is about."""

    kind: SliceKind
    name: str
    dataset: str | None = None
    level: Level
    summary: Summary


class Bin(_Part):
    """A bar of the reliability diagram: fakes among rows that were given a similar probability."""

    low: float
    high: float
    rows: Count
    stated: Figure
    fake_share: Estimate


class Curves(_Part):
    """What is drawn of one data set's videos; None where a class is missing."""

    dataset: str
    false_positive_rates: tuple[Figure, ...] | None
    true_positive_rates: tuple[Figure, ...] | None
    reliability: tuple[Bin, ...]


class GroupGaps(_Part):
    """Error rates of a group, less those of everybody else."""

    group: str
    gaps: dict[str, Estimate]


class Breakdown(_Part):
    """Videos by a column of the metadata.

    `unknown` counts the videos for which the column has no value; they are in no group.
    """

    column: str
    unknown: Count
    groups: tuple[Slice, ...]
    gaps: tuple[GroupGaps, ...]


class SourcePair(_Part):
    """The real videos of two sources, told apart by nothing but their probability of being fake.

    `auc` is how often one from `more_fake` gets the higher probability, ties counting half: 0.5
    where the score does not know the source. The names stand in the order that makes it 0.5 or
    more, even if its interval holds 0.5. `more_fake_real` and `less_fake_real` count videos.
    """

    more_fake: str
    more_fake_real: Count
    less_fake: str
    less_fake_real: Count
    auc: Estimate


class SourceProbe(_Part):
    """Each two sources of real videos: values of a column, or without one, data sets.

    `not_compared` are the sources with too few real videos, or beyond the largest few.
    """

    column: str | None
    pairs: tuple[SourcePair, ...]
    not_compared: tuple[str, ...]


class DegradedPoint(_Part):
    """The same videos, degraded in one way at one strength.

    `auc` is over videos, `ece` and `brier` over clips.
    """

    degradation: str
    strength: float
    label: str
    auc: Estimate
    ece: Estimate
    brier: Estimate


class Robustness(_Part):
    """A sweep of degradations over a part of the videos; `seconds` is what it took."""

    videos: Count
    of_videos: Count
    clips: Count
    most_clips_of_a_video: Count
    untouched: DegradedPoint
    points: tuple[DegradedPoint, ...]
    seconds: Figure


class Speed(_Part):
    """How fast the network is, from crops in memory to logits, on the device that measured."""

    device: str
    threads: Count
    batch_size: Count
    clip_frames: Count
    clips_per_second: Figure
    slowest: Figure
    fastest: Figure


class Mistake(_Part):
    """A video that was far on the wrong side."""

    dataset: str
    id: str
    label: Label
    method: str
    fake_probability: Figure
    verdict: VerdictName


class HeatmapExample(_Part):
    """A video of which it is shown where the network saw signs of a forgery.

    The frame, counted from 0 in the clip, is the one of the video's most suspicious clip that adds
    most to the score for a forgery: by `contribution` logits, to first order. `picture` is a file
    beside the document.
    """

    dataset: str
    id: str
    label: Label
    method: str
    fake_probability: Figure
    verdict: VerdictName
    clip: Count
    frame: Count
    contribution: Figure
    picture: str


class LeftOut(_Part):
    """A video that was not measured, and why."""

    id: str
    reason: str


class DatasetInfo(_Part):
    """One data set that was measured.

    `caution` has to stand beside every figure; mostly it is empty. `sha256` is over the sorted
    lines `SHA-256 of the file`, space, `id` of the measured videos. `parts_of` names the slices
    that its videos are in: the metadata may call them otherwise than the folder is called.
    """

    name: str
    folder: str
    splits: tuple[str, ...]
    caution: str
    not_chosen: Count
    left_out: tuple[LeftOut, ...]
    sha256: str
    parts_of: tuple[str, ...] = ()


class CheckpointInfo(_Part):
    """The checkpoint that was measured; its calibration was not touched."""

    folder: str
    name: str
    version: str
    trunk: str
    created_at: AwareDatetime
    weights_sha256: str
    card_sha256: str
    temperature: float
    thresholds: Thresholds
    training_data: str
    limits: tuple[str, ...]


class EvaluationDocument(_Part):
    """`metrics.json`."""

    schema_version: Literal[1] = 1
    created_at: AwareDatetime
    command: str
    software: dict[str, str]
    seconds: Figure
    checkpoint: CheckpointInfo
    datasets: tuple[DatasetInfo, ...]
    resampling: Resampling
    slices: tuple[Slice, ...]
    curves: tuple[Curves, ...]
    breakdowns: tuple[Breakdown, ...]
    robustness: Robustness | None
    speed: Speed
    mistakes: tuple[Mistake, ...]
    heatmaps: tuple[HeatmapExample, ...] = ()
    source_probes: tuple[SourceProbe, ...] = ()
