"""What callers send as a batch, and what is stored about it."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError, model_validator

from unmask_gateway.idempotency import BoundKey
from unmask_gateway.json_submissions import VideoSubmission
from unmask_gateway.outbound.rules import MAX_URL_LENGTH
from unmask_shared.errors import InvalidOption, InvalidRequest
from unmask_shared.videos import AnalysisOptions, ErasedItem, Failure

MAX_ITEMS: Final = 200

_EXAMPLE: Final[dict[str, Any]] = {
    "items": [
        {"source_url": "https://example.com/clips/interview.mp4", "heatmaps": True},
        {"upload_id": "01890a5d-ac96-774b-bcce-b302099a8057"},
    ],
    "webhook_url": "https://example.com/hooks/unmask",
}


class BatchSubmission(BaseModel):
    """The body of POST /batches: many videos that are somewhere already."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", json_schema_extra={"examples": [_EXAMPLE]}
    )

    items: Annotated[
        tuple[VideoSubmission, ...],
        Field(
            min_length=1,
            max_length=MAX_ITEMS,
            description="Each as POST /videos takes it in JSON.",
        ),
    ]
    webhook_url: Annotated[
        str | None,
        Field(
            max_length=MAX_URL_LENGTH,
            description="Where one signed message is sent when all videos of the batch have ended.",
        ),
    ] = None

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read a JSON document.

        Raises:
            InvalidOption: An option of an item is not allowed.
            InvalidRequest: It is no such document otherwise.
        """
        try:
            return cls.model_validate_json(body, strict=True)
        except ValidationError as error:
            fault = error.errors()[0]
            is_option = str(fault["loc"][-1:][0] if fault["loc"] else "") in _OPTIONS
            where = ".".join(map(str, fault["loc"])) or "the body"
            kind = InvalidOption if is_option else InvalidRequest
            raise kind(f"`{where}`: {fault['msg']}.") from error


_OPTIONS: Final = frozenset(AnalysisOptions.model_fields)


def describe_batch_body() -> dict[str, Any]:
    """The body for the API's description, as the value of `application/json`."""
    schema = BatchSubmission.model_json_schema()
    # Its references would be read as places in the whole description.
    schema["properties"]["items"]["items"] = schema.pop("$defs")[VideoSubmission.__name__]
    return {"schema": schema}


class Batch(BaseModel):
    """`batch.json`: the durable proof that a batch was accepted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[2] = 2
    id: str
    created_at: datetime
    owner: Annotated[str | None, Field(description="Id of the API key that it came with.")]
    is_limited: Annotated[bool, Field(description="Whether quotas are held against the owner.")]
    total: Annotated[int, Field(ge=1, description="Number of items.")]
    webhook_url: str | None = None
    idempotency: Annotated[
        str | None, Field(description="Object key of what its Idempotency-Key stands for.")
    ] = None

    @model_validator(mode="before")
    @classmethod
    def _read_version_1(cls, data: Any) -> Any:
        """Version 1 held the items themselves, with the URLs they were fetched from."""
        if isinstance(data, dict) and data.get("schema_version") == 1 and "items" in data:
            rest = {name: value for name, value in data.items() if name != "items"}
            return rest | {"schema_version": 2, "total": len(data["items"])}
        return data


class WantedItems(BaseModel):
    """`open-batches/ID.OWNER.json`: what the items of a batch are, until each has an outcome."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    items: tuple[VideoSubmission, ...]


class OldItems(BaseModel):
    """The same in the `batch.json` of version 1."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    items: tuple[VideoSubmission, ...] = ()


class BoundBatch(BaseModel):
    """What the Idempotency-Key of a batch stands for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    fingerprint: Annotated[str, Field(description="Hash of what the request asked for.")]
    batch: Batch


class RefusedItem(BaseModel):
    """Why an item of a batch became no video."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    refused: Failure


class ItemOutcome(RootModel[BoundKey | RefusedItem | ErasedItem]):
    """`items/NUMBER.json`: what became of one item; created once, replaced only by an erasure."""
