"""The card that travels with a set of weights and says what they are good for."""

from datetime import UTC
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from unmask_shared.artifacts import FaceMode
from unmask_shared.model.architecture import SMALLEST_INPUT, Architecture
from unmask_shared.model.card_texts import (
    ETHICAL_CONSIDERATIONS,
    EVALUATION_DATA,
    INTENDED_USE,
    OUT_OF_SCOPE_USES,
)
from unmask_shared.model.clips import ShortClips
from unmask_shared.model.scoring import MIN_CLIP_FRAMES, Thresholds

LABELS = {"real": 0, "fake": 1}

Channels = tuple[float, float, float]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TrainingData(_Part):
    """What the weights were fitted to."""

    description: str
    manipulations: tuple[str, ...]
    people: Count
    videos_real: Count
    videos_fake: Count


class Interval(_Part):
    """Ends of a 95 % interval."""

    low: Share
    high: Share

    @model_validator(mode="after")
    def _ends_are_in_order(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"an interval goes upwards, not from {self.low} to {self.high}")
        return self


class Evaluation(_Part):
    """How well the checkpoint did on one set of videos.

    `accuracy` and the confusion counts take a probability over 0.5 as fake; `auc` is the area
    under the ROC curve, None when one of the classes is missing. The `decided_*` figures apply the
    card's thresholds: the share outside the inconclusive band, and the accuracy on that share.

    The intervals say where the figures could lie for other people of the same kind: they come from
    a bootstrap over people. None on older cards, and where there are too few people to tell.
    """

    split: str
    level: Literal["clip", "video"]
    people: Count | None = None
    real: Count
    fake: Count
    accuracy: Share
    accuracy_interval: Interval | None = None
    auc: Share | None
    auc_interval: Interval | None = None
    true_real: Count
    false_fake: Count
    false_real: Count
    true_fake: Count
    decided_share: Share
    decided_share_interval: Interval | None = None
    decided_accuracy: Share | None
    decided_accuracy_interval: Interval | None = None
    note: str = ""


class CardDraft(_Part):
    """Everything on a card but the fingerprint of the weights, which saving adds."""

    schema_version: Literal[1] = 1
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    version: Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+_-]*$")]
    created_at: AwareDatetime
    architecture: Architecture
    dtype: Literal["float16", "float32"]
    face_mode: Annotated[FaceMode, Field(description="What the network learned to judge.")] = (
        "faces"
    )
    clip_length: Annotated[int, Field(ge=MIN_CLIP_FRAMES, le=256)]
    short_clips: Annotated[
        ShortClips, Field(description="What becomes of clips under `clip_length` frames.")
    ] = "mask"
    input_size: Annotated[int, Field(ge=32, le=512, description="Side of the crops, in pixels.")]
    crop_margin: Annotated[float, Field(ge=0, description="As in the face pipeline's settings.")]
    mean: Channels
    std: tuple[
        Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]
    ]
    labels: dict[str, int]
    temperature: Annotated[float, Field(gt=0, le=100)]
    thresholds: Thresholds
    training_data: TrainingData
    evaluations: tuple[Evaluation, ...]
    figures: tuple[str, ...] = ()
    licence: str
    limits: tuple[str, ...]
    intended_use: str = INTENDED_USE
    out_of_scope_uses: tuple[str, ...] = OUT_OF_SCOPE_USES
    evaluation_data: str = EVALUATION_DATA
    ethical_considerations: tuple[str, ...] = ETHICAL_CONSIDERATIONS

    @model_validator(mode="after")
    def _labels_are_ours(self) -> Self:
        if self.labels != LABELS:
            raise ValueError(f"labels must be {LABELS}, not {self.labels}")
        return self

    @model_validator(mode="after")
    def _trunk_can_see_the_crops(self) -> Self:
        smallest = SMALLEST_INPUT[self.architecture.trunk]
        if self.input_size < smallest:
            raise ValueError(
                f"input_size must be at least {smallest} for the trunk "
                f"{self.architecture.trunk}, not {self.input_size}"
            )
        return self

    @model_validator(mode="after")
    def _time_is_utc(self) -> Self:
        if self.created_at.utcoffset() != UTC.utcoffset(None):
            raise ValueError(f"created_at must be in UTC, not {self.created_at.isoformat()}")
        return self


class ModelCard(CardDraft):
    """`card.json`."""

    weights_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
