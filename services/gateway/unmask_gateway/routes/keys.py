"""API keys: making, listing and ending them, for operators."""

from datetime import datetime
from typing import Annotated, Any, Final, Self

from fastapi import APIRouter, Path, Response, status
from pydantic import BaseModel, ConfigDict, Field

from unmask_gateway.access.errors import AccessIsOpen, ApiKeyNotFound, MalformedApiKeyId
from unmask_gateway.access.gate import NamedAdminCaller
from unmask_gateway.access.key_store import CACHE_S, KeyStore
from unmask_gateway.access.keys import (
    KEY_ID_PATTERN,
    ApiKey,
    KeyName,
    KeyScopes,
    PresentedKey,
    Scope,
    parse_key_id,
)
from unmask_gateway.problems import document_errors
from unmask_shared.errors import (
    DamagedDocument,
    InvalidRequest,
    ObjectStoreUnavailable,
    UnmaskError,
)

_EXAMPLE: Final[dict[str, Any]] = {
    "id": "6f1ed002ab559585",
    "name": "newsroom",
    "scopes": ["read", "submit"],
    "created_at": "2026-05-04T09:30:00Z",
    "revoked_at": None,
}
_EXAMPLE_KEY: Final = f"unmask_6f1ed002ab559585_{'0123456789abcdef' * 4}"


class NewKey(BaseModel):
    """What a key is for, and what it allows."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"name": "newsroom", "scopes": ["read", "submit"]}},
    )

    name: KeyName
    scopes: KeyScopes


class KeyInfo(BaseModel):
    """A key as it is listed; the key itself is never told again."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"example": _EXAMPLE})

    id: Annotated[str, Field(description="Names the key, also as the owner of videos.")]
    name: str
    scopes: list[Scope]
    created_at: datetime
    revoked_at: Annotated[datetime | None, Field(description="Null while the key is valid.")]

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        """Leave out what only checking needs."""
        return cls(**_shown(key))


class CreatedKey(KeyInfo):
    """A new key, this once with what callers send."""

    model_config = ConfigDict(
        frozen=True, json_schema_extra={"example": _EXAMPLE | {"key": _EXAMPLE_KEY}}
    )

    key: Annotated[str, Field(description="For `Authorization: Bearer`; kept nowhere here.")]

    @classmethod
    def made(cls, key: ApiKey, presented: PresentedKey) -> Self:
        """Tell a new key."""
        return cls(**_shown(key), key=str(presented))


class KeyList(BaseModel):
    """All keys."""

    model_config = ConfigDict(
        frozen=True, json_schema_extra={"example": {"keys": [_EXAMPLE], "damaged": []}}
    )

    keys: list[KeyInfo]
    damaged: Annotated[
        list[str],
        Field(
            description="Names of documents in `keys/` of the object store that cannot be read; "
            "usually the id of a key, which opens nothing, and `.json`. `fsck` says what is wrong."
        ),
    ]


KeyId = Annotated[
    str,
    Path(
        description="`id` of a key, not the key.",
        examples=[_EXAMPLE["id"]],
        json_schema_extra={"pattern": KEY_ID_PATTERN},
    ),
]


def make_keys_router(keys: KeyStore) -> APIRouter:
    """Make the routes under `/keys`."""
    router = APIRouter(prefix="/keys", tags=["keys"])

    @router.post(
        "",
        status_code=status.HTTP_201_CREATED,
        summary="Make a key",
        responses=_refusals(InvalidRequest),
    )
    def create_key(new: NewKey, response: Response, _: NamedAdminCaller) -> CreatedKey:
        """The answer is the only place where the key can ever be read."""
        response.headers["Cache-Control"] = "no-store"
        return CreatedKey.made(*keys.create(new.name, new.scopes))

    @router.get("", summary="List the keys", responses=_refusals())
    def list_keys(response: Response, _: NamedAdminCaller) -> KeyList:
        """All keys, also those that were revoked, the newest first."""
        response.headers["Cache-Control"] = "no-store"
        found = keys.all()
        return KeyList(keys=[KeyInfo.of(key) for key in found.keys], damaged=list(found.damaged))

    @router.delete(
        "/{key_id}",
        summary="Revoke a key",
        status_code=status.HTTP_204_NO_CONTENT,
        responses=_refusals(ApiKeyNotFound, MalformedApiKeyId, DamagedDocument),
        description=f"No gateway takes the key after {CACHE_S:g} seconds. Its videos stay, for "
        "callers with the scope `admin`.",
    )
    def revoke_key(key_id: KeyId, _: NamedAdminCaller) -> None:
        keys.revoke(parse_key_id(key_id))

    return router


def _refusals(*errors: type[UnmaskError]) -> dict[int | str, dict[str, Any]]:
    return document_errors(*errors, AccessIsOpen, ObjectStoreUnavailable, UnmaskError)


def _shown(key: ApiKey) -> dict[str, Any]:
    return {**key.model_dump(exclude={"secret_sha256"}), "scopes": sorted(key.scopes)}
