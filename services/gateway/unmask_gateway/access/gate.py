"""Lets requests in: who sends it, may they do this, how often, and is the video theirs.

`admit` stands before every router that is not public, so that a route cannot forget it. Reading
needs the scope `read`, everything else `submit`; what needs `admin` asks for an `AdminCaller`.
`admit_upload` stands before those that bring videos in.
"""

import hmac
import logging
from typing import Annotated, Final

from anyio import to_thread
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from unmask_gateway.access.caller import EVERYBODY, Caller
from unmask_gateway.access.errors import AccessIsOpen, ApiKeyRequired, InvalidApiKey
from unmask_gateway.access.key_store import KeyStore
from unmask_gateway.access.keys import PresentedKey, Scope, sha256_of
from unmask_gateway.access.owners import VideoOwners
from unmask_gateway.access.rate_limits import Counted, LimitState, RateLimits
from unmask_gateway.access.settings import AccessSettings
from unmask_shared.errors import ObjectStoreUnavailable

log = logging.getLogger(__name__)

SECURITY_SCHEME: Final = "api_key"
# A name that no stored key can have: theirs are hexadecimal.
ADMIN_KEY_ID: Final = "admin"
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})

_bearer = HTTPBearer(
    scheme_name=SECURITY_SCHEME,
    description="An API key, `unmask_ID_SECRET`, or the operator's own.",
    auto_error=False,
)


class Gate:
    """Knows the keys; one for each application, at `app.state.gate`."""

    def __init__(
        self,
        *,
        settings: AccessSettings,
        keys: KeyStore,
        owners: VideoOwners,
        rates: RateLimits,
    ) -> None:
        """Prepare to let callers in.

        Args:
            settings: Whether keys are asked for, and the one that is not in the store.
            keys: The others.
            owners: Whose the videos are.
            rates: How often keys may be used.
        """
        self.is_open = settings.policy.access == "open"
        self.has_open_metrics = self.is_open or settings.policy.open_metrics
        admin_key = settings.operator.admin_key
        self._admin_sha256 = sha256_of(admin_key.get_secret_value()) if admin_key else None
        self._keys = keys
        self._owners = owners
        self._rates = rates

    def admit(
        self, key: str | None, *, needs: Scope, video_id: str | None, limits: list[LimitState]
    ) -> Caller:
        """Return who sends a request.

        Args:
            key: What stands behind `Authorization: Bearer`.
            needs: The scope that the request needs.
            video_id: The video that it is about.
            limits: Gets where the key stands with its limits, also when this raises.

        Raises:
            ApiKeyRequired: No key came.
            InvalidApiKey: The key is not valid.
            TooManyRequests: It is used too often.
            MissingScope: It is not for this.
            VideoNotFound: The video is not there, or not the caller's.
            ObjectStoreUnavailable: Keys or videos cannot be looked up.
        """
        if self.is_open:
            return EVERYBODY
        caller = self._identify(key)
        self._count(caller, Counted.REQUESTS, limits)
        caller.need(needs)
        if video_id is not None:
            self._owners.check(caller, video_id)
        return caller

    def still_admits(self, key_id: str | None) -> bool:
        """Whether a caller who was admitted before would be again; True while nobody can tell.

        Args:
            key_id: Id of the key that was sent; None for who sent none.
        """
        if self.is_open:
            return True
        if key_id in {None, ADMIN_KEY_ID}:
            return key_id is not None
        try:
            key = self._keys.find(key_id or "")
        except ObjectStoreUnavailable as error:
            log.warning("a revoked key may go on for now: %s", error.detail)
            return True
        return key is not None and key.revoked_at is None

    def admit_upload(self, caller: Caller, *, limits: list[LimitState]) -> None:
        """Return if the caller may send something in now.

        Args:
            caller: Who sends it.
            limits: Gets where the key stands with its limits, also when this raises.

        Raises:
            TooManyRequests: The key sent too much in the last minute.
        """
        self._count(caller, Counted.UPLOADS, limits)

    def _count(self, caller: Caller, counted: Counted, limits: list[LimitState]) -> None:
        if caller.key_id is None or not caller.is_limited:
            return
        if state := self._rates.hit(caller.key_id, counted):
            limits.append(state)
            state.check()

    def _identify(self, key: str | None) -> Caller:
        if key is None:
            raise ApiKeyRequired("The request has no header `Authorization: Bearer KEY`.")
        if self._admin_sha256 and hmac.compare_digest(self._admin_sha256, sha256_of(key)):
            return Caller(key_id=ADMIN_KEY_ID, scopes=frozenset({Scope.ADMIN}))
        presented = PresentedKey.parse(key)
        if presented is None:
            raise InvalidApiKey("The key does not have the form `unmask_ID_SECRET`.")
        stored = self._keys.find(presented.id)
        if stored is None or not stored.is_opened_by(presented.secret):
            raise InvalidApiKey(f"The key with the id {presented.id} is unknown or revoked.")
        return Caller(key_id=stored.id, scopes=stored.scopes)


async def admit(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Caller:
    """Let a request in, or raise what `Gate.admit` raises."""
    gate: Gate = request.app.state.gate
    if gate.is_open:
        return EVERYBODY
    needs = Scope.READ if request.method in _READING else Scope.SUBMIT
    return await _admit(gate, request, credentials, needs)


async def admit_metrics(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Caller:
    """Let in who reads metrics, or raise what `Gate.admit` raises."""
    gate: Gate = request.app.state.gate
    if gate.has_open_metrics:
        return EVERYBODY
    return await _admit(gate, request, credentials, Scope.METRICS)


async def _admit(
    gate: Gate,
    request: Request,
    credentials: HTTPAuthorizationCredentials | None,
    needs: Scope,
) -> Caller:
    limits = request.state.limits = []
    return await to_thread.run_sync(
        lambda: gate.admit(
            credentials.credentials if credentials else None,
            needs=needs,
            video_id=request.path_params.get("video_id"),
            limits=limits,
        )
    )


CurrentCaller = Annotated[Caller, Depends(admit)]
"""Who sends the request, for routes that keep or compare owners."""


async def admit_upload(request: Request, caller: CurrentCaller) -> None:
    """Let in what brings videos in, or raise what `Gate.admit_upload` raises."""
    gate: Gate = request.app.state.gate
    if gate.is_open or request.method != "POST":
        return
    await to_thread.run_sync(lambda: gate.admit_upload(caller, limits=request.state.limits))


def _need_admin(caller: CurrentCaller) -> Caller:
    caller.need(Scope.ADMIN)
    return caller


def _need_named_admin(caller: CurrentCaller) -> Caller:
    if caller.key_id is None:
        raise AccessIsOpen
    return _need_admin(caller)


MetricsReader = Annotated[Caller, Depends(admit_metrics)]
"""Who reads metrics: a key with the scope `metrics`, or anybody where that is allowed."""

AdminCaller = Annotated[Caller, Depends(_need_admin)]
"""The same for routes that only operators may use; everybody is one where access is open."""

NamedAdminCaller = Annotated[Caller, Depends(_need_named_admin)]
"""The same for routes that give rights which outlast open access."""
