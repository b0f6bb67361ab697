"""The form of what the API tells of models."""

from datetime import datetime
from typing import Annotated, Any, Final, Self
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from unmask_gateway.model_catalogue import CardSummary, Evaluation, PublishedCard, Thresholds
from unmask_gateway.model_choice import Judging
from unmask_shared.artifacts import FaceMode
from unmask_shared.errors import DamagedModel
from unmask_shared.model_versions import Activation, Refusal
from unmask_shared.videos import ModelRef

_NAME: Final = "resnet-lstm"
_PATH: Final = f"/models/{_NAME}/0.2.0"
_CARD_EXAMPLE: Final[dict[str, Any]] = {
    "face_mode": "faces",
    "clip_length": 16,
    "input_size": 144,
    "crop_margin": 0.05,
    "thresholds": {"real_below": 0.22, "fake_above": 0.8},
    "evaluations": [
        {
            "split": "test",
            "level": "video",
            "people": 431,
            "real": 911,
            "fake": 570,
            "auc": 0.88,
            "auc_interval": {"low": 0.85, "high": 0.91},
            "decided_share": 0.71,
            "decided_accuracy": 0.9,
        }
    ],
    "licence": "The weights come under the licence of this repository.",
    "limits": ["It finds only what resembles the forgeries that it was trained on."],
}
ENTRY_EXAMPLE: Final[dict[str, Any]] = {
    "name": _NAME,
    "version": "0.2.0",
    "active": True,
    "built_in": True,
    "published_at": "2026-05-04T09:30:00Z",
    "problem": None,
    "summary": _CARD_EXAMPLE,
    "card": _PATH,
    "figures": [f"{_PATH}/figures/loss.png"],
}
DETAILS_EXAMPLE: Final[dict[str, Any]] = ENTRY_EXAMPLE | {
    "card": {"schema_version": 1, "name": _NAME, "version": "0.2.0", "licence": "..."}
}
ACTIVE_EXAMPLE: Final[dict[str, Any]] = {
    "model": {"name": _NAME, "version": "0.3.0"},
    "built_in": {"name": _NAME, "version": "0.2.0"},
    "activated_at": "2026-05-05T10:00:00Z",
    "refused": [],
    "previous": [],
}


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class ModelProblem(_Answer):
    """Why a version cannot be used."""

    code: str
    detail: str
    worker: Annotated[str | None, Field(description="Who refused it; null if it is damaged.")]
    at: datetime | None

    @classmethod
    def of(cls, refusal: Refusal) -> Self:
        """What a worker said."""
        return cls(
            code=refusal.code,
            detail=refusal.detail,
            worker=refusal.worker,
            at=refusal.refused_at,
        )


class Summary(_Answer):
    """What a card says, in short; the card has all of it."""

    face_mode: Annotated[FaceMode, Field(description="What it learned to judge.")]
    clip_length: Annotated[int, Field(description="Frames that are judged together.")]
    input_size: Annotated[int, Field(description="Side of the crops, in pixels.")]
    crop_margin: Annotated[float, Field(description="Context around the face, as a fraction.")]
    thresholds: Thresholds
    evaluations: Annotated[
        list[Evaluation],
        Field(description="Of whole videos, where both real and fake ones were there."),
    ]
    licence: str
    limits: list[str]

    @classmethod
    def of(cls, card: CardSummary) -> Self:
        """Leave out the evaluations that do not tell real from fake videos."""
        told = [row for row in card.evaluations if row.level == "video" and row.auc is not None]
        return cls(
            face_mode=card.face_mode,
            clip_length=card.clip_length,
            input_size=card.input_size,
            crop_margin=card.crop_margin,
            thresholds=card.thresholds,
            evaluations=told,
            licence=card.licence,
            limits=list(card.limits),
        )


class _Version(_Answer):
    name: str
    version: str
    active: Annotated[
        bool, Field(description="Whether it judges videos of its face mode that are sent now.")
    ]
    built_in: Annotated[bool, Field(description="Whether it came with the workers.")]
    published_at: Annotated[datetime | None, Field(description="Null if that is damaged.")]
    problem: Annotated[
        ModelProblem | None, Field(description="Why it cannot be used, as far as is known.")
    ]


class ModelEntry(_Version):
    """A published version in the list."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"example": ENTRY_EXAMPLE})

    summary: Annotated[Summary | None, Field(description="Null if the card is damaged.")]
    card: Annotated[str, Field(description="URL path of the whole card.")]
    figures: Annotated[list[str], Field(description="URL paths of the card's pictures.")]

    @classmethod
    def of(cls, found: PublishedCard, judging: Judging, refusal: Refusal | None) -> Self:
        """A version whose card can be read."""
        return cls(
            **_state(found.model, judging),
            published_at=found.manifest.published_at,
            problem=ModelProblem.of(refusal) if refusal else None,
            summary=Summary.of(found.summary),
            card=model_path(found.model),
            figures=figure_paths(found),
        )

    @classmethod
    def damaged(cls, model: ModelRef, judging: Judging, error: DamagedModel) -> Self:
        """A version whose manifest or card cannot be read."""
        return cls(
            **_state(model, judging),
            published_at=None,
            problem=ModelProblem(code=error.code, detail=error.detail, worker=None, at=None),
            summary=None,
            card=model_path(model),
            figures=[],
        )


class ModelList(_Answer):
    """All published versions."""

    models: Annotated[list[ModelEntry], Field(description="By name and version, as text.")]


class ModelDetails(_Version):
    """A published version with its card."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"example": DETAILS_EXAMPLE})

    summary: Summary
    card: Annotated[dict[str, Any], Field(description="`card.json` as it was published.")]
    figures: Annotated[list[str], Field(description="URL paths of the card's pictures.")]

    @classmethod
    def of(cls, found: PublishedCard, judging: Judging, refusal: Refusal | None) -> Self:
        """All that is known of a version."""
        return cls(
            **_state(found.model, judging),
            published_at=found.manifest.published_at,
            problem=ModelProblem.of(refusal) if refusal else None,
            summary=Summary.of(found.summary),
            card=found.card,
            figures=figure_paths(found),
        )


class PastActivation(_Answer):
    """A version that was active."""

    name: str
    version: str
    activated_at: datetime

    @classmethod
    def of(cls, activation: Activation) -> Self:
        """An activation in the history."""
        return cls(
            name=activation.name,
            version=activation.version,
            activated_at=activation.activated_at,
        )


class RefusedActivation(_Answer):
    """A version that was activated and does not judge, since a worker refused it."""

    name: str
    version: str
    problem: ModelProblem


class ActiveVersion(_Answer):
    """Which version judges videos of one face mode that are sent now."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"example": ACTIVE_EXAMPLE})

    model: Annotated[
        ModelRef | None,
        Field(description="Null before the first worker has started."),
    ]
    built_in: Annotated[
        ModelRef | None,
        Field(description="The version that came with the workers; it judges if none is active."),
    ]
    activated_at: Annotated[
        datetime | None, Field(description="Of the last activation; null if there is none.")
    ]
    refused: Annotated[
        list[RefusedActivation],
        Field(description="What was activated after `model` and refused, newest first."),
    ]
    previous: Annotated[
        list[PastActivation], Field(description="What undoing goes back to, newest first.")
    ]

    @classmethod
    def of(cls, judging: Judging) -> Self:
        """What judges, and what was activated before and after it."""
        active, built_in = judging.active, judging.built_in
        return cls(
            model=judging.model,
            built_in=ModelRef(name=built_in.name, version=built_in.version) if built_in else None,
            activated_at=active.activated_at if active else None,
            refused=[
                RefusedActivation(
                    name=one.model.name,
                    version=one.model.version,
                    problem=ModelProblem.of(one.refusal),
                )
                for one in judging.refused
            ],
            previous=[PastActivation.of(one) for one in active.previous] if active else [],
        )


def model_path(model: ModelRef) -> str:
    """URL path of a version."""
    return f"/models/{model}"


def figure_paths(found: PublishedCard) -> list[str]:
    """URL paths of the pictures of a version."""
    return [f"{model_path(found.model)}/figures/{quote(figure)}" for figure in found.figures]


def _state(model: ModelRef, judging: Judging) -> dict[str, Any]:
    built_in = judging.built_in
    return {
        "name": model.name,
        "version": model.version,
        "active": model == judging.model,
        "built_in": built_in is not None
        and (built_in.name, built_in.version) == (model.name, model.version),
    }
