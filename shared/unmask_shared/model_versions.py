"""Where the registry keeps the versions of models in the object store, and its documents.

A version is a folder of objects, `models/NAME/VERSION/`: the weights, the card, the card's figures
and, written last, `manifest.json` with the SHA-256 of each of them. `models/active.json` names the
version that was made the one that judges faces, `models/active-full-frame.json` the one for whole
pictures, `models/built-in.json` the one that came with the workers and judges as long as there is
no other. Names and versions are those of the card; nothing
here needs to read it.
"""

import re
from typing import Annotated, Final, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from unmask_shared.artifacts import FaceMode
from unmask_shared.errors import InvalidModelRef

MODELS_PREFIX: Final = "models/"
ACTIVE_KEYS: Final[dict[FaceMode, str]] = {
    "faces": f"{MODELS_PREFIX}active.json",
    "full_frame": f"{MODELS_PREFIX}active-full-frame.json",
}
KINDS: Final[dict[FaceMode, str]] = {"faces": "faces", "full_frame": "whole pictures"}
"""What versions judge, in words."""
BUILT_IN_KEY: Final = f"{MODELS_PREFIX}built-in.json"
MANIFEST_FILE: Final = "manifest.json"
REFUSAL_FILE: Final = "refusal.json"

REMEMBERED_ACTIVATIONS: Final = 20

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}")
_VERSION: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,127}")
FilePath = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._ -]*(/[A-Za-z0-9_-][A-Za-z0-9._ -]*)*$")
]
"""Path of a file in a version: it cannot lead out of the folder that it is fetched to."""

# An object store cannot hold an object and a folder of the same name.
_RESERVED: Final = frozenset(
    key.removeprefix(MODELS_PREFIX) for key in (*ACTIVE_KEYS.values(), BUILT_IN_KEY)
)


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StoredFile(_Document):
    """One file of a version, as it has to be."""

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(ge=0)]


class VersionManifest(_Document):
    """`manifest.json`: the version is whole, and these are its files, by their relative paths."""

    schema_version: Literal[1] = 1
    name: str
    version: str
    published_at: AwareDatetime
    files: Annotated[dict[FilePath, StoredFile], Field(min_length=1)]


class Activation(_Document):
    """A version that was made the one that judges."""

    name: str
    version: str
    activated_at: AwareDatetime

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class ActiveModel(Activation):
    """`active*.json`: what judges faces or whole pictures now, and what a rollback goes back to."""

    schema_version: Literal[1] = 1
    previous: Annotated[
        tuple[Activation, ...],
        Field(max_length=REMEMBERED_ACTIVATIONS, description="Newest first."),
    ] = ()

    @classmethod
    def after(cls, current: Self | None, *, name: str, version: str, at: AwareDatetime) -> Self:
        """The document that makes a version active and remembers those before it."""
        history: tuple[Activation, ...] = ()
        if current is not None:
            again = (current.name, current.version) == (name, version)
            history = current.previous if again else (current.without_history(), *current.previous)
        return cls(
            name=name, version=version, activated_at=at, previous=history[:REMEMBERED_ACTIVATIONS]
        )

    def without_history(self) -> Activation:
        """This activation alone."""
        return Activation(name=self.name, version=self.version, activated_at=self.activated_at)


class BuiltInModel(_Document):
    """`built-in.json`: the version that came with the workers, which they have published."""

    schema_version: Literal[1] = 1
    name: str
    version: str
    worker: Annotated[str, Field(description="Host and process that announced it.")]
    announced_at: AwareDatetime


class Refusal(_Document):
    """`refusal.json`: why a worker did not take a version that was activated."""

    code: str
    detail: str
    worker: Annotated[str, Field(description="Host and process that refused it.")]
    refused_at: AwareDatetime


def version_key(name: str, version: str, file: str) -> str:
    """Key of one file of a version.

    Args:
        name: Of the model.
        version: Of the checkpoint.
        file: Its path in the checkpoint's folder, such as `card.json`.

    Raises:
        InvalidModelRef: Name or version can never be those of a card.
    """
    if not _NAME.fullmatch(name) or name in _RESERVED:
        raise InvalidModelRef(f"{name!r} cannot be the name of a model.")
    if not _VERSION.fullmatch(version):
        raise InvalidModelRef(f"{version!r} cannot be a version of {name}.")
    return f"{MODELS_PREFIX}{name}/{version}/{file}"


def version_of_manifest(key: str) -> tuple[str, str] | None:
    """Name and version, if the key is that of a version's manifest."""
    match key.split("/"):
        case ["models", name, version, file] if file == MANIFEST_FILE:
            return name, version
        case _:
            return None
