"""What administrators can ask: which model judges, and who may call."""

from collections.abc import Iterable

from unmask_client.admin_models import (
    ActiveModel,
    ApiKeyList,
    ModelDetails,
    ModelList,
    NewApiKey,
)
from unmask_client.answers import read
from unmask_client.calls import Answer, Call, Operation, api_path
from unmask_client.models import FaceMode
from unmask_client.retries import RetryPolicy, send

_ACTIVE = "/models/active"


def models(*, policy: RetryPolicy) -> Operation[ModelList]:
    """All published versions."""
    answer: Answer = yield from send(Call(method="GET", path="/models"), policy)
    return read(answer, ModelList)


def model(name: str, version: str, *, policy: RetryPolicy) -> Operation[ModelDetails]:
    """One version with its card."""
    call = Call(method="GET", path=api_path("models", name, version))
    answer: Answer = yield from send(call, policy)
    return read(answer, ModelDetails)


def active_model(face_mode: FaceMode, *, policy: RetryPolicy) -> Operation[ActiveModel]:
    """Which version judges faces, or whole pictures."""
    call = Call(method="GET", path=_ACTIVE, query=[("face_mode", face_mode)])
    answer: Answer = yield from send(call, policy)
    return read(answer, ActiveModel)


def activate(name: str, version: str, *, policy: RetryPolicy) -> Operation[ActiveModel]:
    """Let a version judge from now on."""
    call = Call(method="PUT", path=_ACTIVE, content={"name": name, "version": version})
    answer: Answer = yield from send(call, policy)
    return read(answer, ActiveModel)


def undo_activation(face_mode: FaceMode, *, policy: RetryPolicy) -> Operation[ActiveModel]:
    """Go back to what was active before; sent twice, it undoes two activations."""
    query = [("face_mode", face_mode)]
    call = Call(method="DELETE", path=_ACTIVE, query=query, idempotent=False)
    answer: Answer = yield from send(call, policy)
    return read(answer, ActiveModel)


def create_key(name: str, scopes: Iterable[str], *, policy: RetryPolicy) -> Operation[NewApiKey]:
    """Make a key."""
    content = {"name": name, "scopes": sorted(set(scopes))}
    call = Call(method="POST", path="/keys", content=content, idempotent=False)
    answer: Answer = yield from send(call, policy)
    return read(answer, NewApiKey)


def keys(*, policy: RetryPolicy) -> Operation[ApiKeyList]:
    """All keys, also those that were revoked."""
    answer: Answer = yield from send(Call(method="GET", path="/keys"), policy)
    return read(answer, ApiKeyList)


def revoke_key(key_id: str, *, policy: RetryPolicy) -> Operation[None]:
    """End a key."""
    yield from send(Call(method="DELETE", path=api_path("keys", key_id)), policy)
