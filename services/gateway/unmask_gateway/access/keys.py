"""API keys: what they look like, what they allow, and what is kept of them.

A key is `unmask_ID_SECRET`. The id finds its document; the secret has 256 random bits, so a single
SHA-256 of it cannot be reversed, and a slow hash as passwords need would only slow down callers.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from unmask_gateway.access.errors import MalformedApiKeyId

_KEY: Final = re.compile(r"unmask_([0-9a-f]{16})_([0-9a-f]{64})", re.ASCII)
KEY_ID_PATTERN: Final = "^[0-9a-f]{16}$"
MAX_NAME: Final = 100


class Scope(StrEnum):
    """What a key allows."""

    SUBMIT = "submit"
    """Send videos in, cancel and delete them."""

    READ = "read"
    """See videos and what was found out about them."""

    ADMIN = "admin"
    """Everything, with everybody's videos, keys and models."""

    METRICS = "metrics"
    """Read `/metrics`, and nothing else."""


KeyName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_NAME, pattern=r"^[^\x00-\x1f\x7f]+$"),
    Field(description="What the key is for, in words.", examples=["newsroom"]),
]
KeyScopes = Annotated[
    frozenset[Scope],
    Field(
        min_length=1,
        description="`submit` sends, cancels and deletes videos; `read` sees them; `metrics` reads "
        "/metrics; `admin` does everything, also with the videos of others.",
        examples=[["read", "submit"]],
        json_schema_extra={"uniqueItems": False},  # one that is named twice counts once
    ),
]


class ApiKey(BaseModel):
    """`keys/ID.json`: all that is known of a key, which is not enough to use it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(pattern=KEY_ID_PATTERN)]
    name: KeyName
    scopes: KeyScopes
    created_at: datetime
    revoked_at: datetime | None = None
    secret_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

    def is_opened_by(self, secret: str) -> bool:
        """Whether this is the secret of the key, and the key still valid; in constant time."""
        matches = hmac.compare_digest(self.secret_sha256, sha256_of(secret))
        return matches and self.revoked_at is None


@dataclass(frozen=True, kw_only=True)
class PresentedKey:
    """A key as a caller sends it.

    Attributes:
        id: Finds its document.
        secret: Proves that the caller was given the key.
    """

    id: str
    secret: str

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Take a key apart; None when it can never be one."""
        match = _KEY.fullmatch(text)
        return cls(id=match[1], secret=match[2]) if match else None

    def __str__(self) -> str:
        return f"unmask_{self.id}_{self.secret}"


def make_key(name: str, scopes: frozenset[Scope]) -> tuple[ApiKey, PresentedKey]:
    """Make a new key: the document to keep, and the key to give away, which is kept nowhere.

    Raises:
        pydantic.ValidationError: The name is empty, too long or has control characters, or there
            is no scope.
    """
    presented = PresentedKey(id=secrets.token_hex(8), secret=secrets.token_hex(32))
    key = ApiKey(
        id=presented.id,
        name=name,
        scopes=scopes,
        created_at=datetime.now(UTC),
        secret_sha256=sha256_of(presented.secret),
    )
    return key, presented


def parse_key_id(text: str) -> str:
    """Refuse what can never be the id of a key.

    Raises:
        MalformedApiKeyId: It is not 16 hexadecimal digits.
    """
    if not re.fullmatch(KEY_ID_PATTERN, text, re.ASCII):
        raise MalformedApiKeyId("The id of a key has 16 hexadecimal digits in lower case.")
    return text


def sha256_of(secret: str) -> str:
    """Hash of a secret, hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()
