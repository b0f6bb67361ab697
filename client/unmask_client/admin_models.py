"""What the API returns about models and keys, as immutable values."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from unmask_client.models import ModelRef


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class Thresholds(_Document):
    """Below `real_below` a video is real, above `fake_above` fake, between them inconclusive."""

    real_below: float
    fake_above: float


class Interval(_Document):
    """Bounds of a figure, with 95 % confidence over people."""

    low: float
    high: float


class Evaluation(_Document):
    """How well a model told real from fake videos of one set."""

    split: str
    auc: float | None = None
    auc_interval: Interval | None = None


class ModelSummary(_Document):
    """What a card says, in short."""

    face_mode: str
    thresholds: Thresholds
    evaluations: tuple[Evaluation, ...] = ()
    licence: str
    limits: tuple[str, ...] = ()


class ModelProblem(_Document):
    """Why a version cannot be used."""

    code: str
    detail: str


class ModelVersion(_Document):
    """A published version of a model."""

    name: str
    version: str
    active: bool
    built_in: bool
    published_at: datetime | None
    problem: ModelProblem | None
    summary: ModelSummary | None

    @property
    def ref(self) -> ModelRef:
        """Its name and version."""
        return ModelRef(name=self.name, version=self.version)


class ModelDetails(ModelVersion):
    """A published version with its whole card."""

    card: dict[str, Any]


class ModelList(_Document):
    """All published versions."""

    models: tuple[ModelVersion, ...]


class ActiveModel(_Document):
    """Which version judges the videos that are sent now."""

    model: ModelRef | None
    built_in: ModelRef | None
    activated_at: datetime | None


class ApiKey(_Document):
    """A key as it is listed; the key itself is told once, to who makes it."""

    id: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    revoked_at: datetime | None


class NewApiKey(ApiKey):
    """A new key, this once with what callers send as `UNMASK_API_KEY`."""

    key: str = Field(repr=False)


class ApiKeyList(_Document):
    """All keys, and the names of documents in the object store that should be keys."""

    keys: tuple[ApiKey, ...]
    damaged: tuple[str, ...] = ()
