"""Why a caller is turned away."""

from unmask_shared.errors import InvalidRequest, UnmaskError


class ApiKeyRequired(UnmaskError):
    """The request names no API key."""

    code = "api_key_required"
    http_status = 401
    title = "An API key is needed"
    action = "Send the header `Authorization: Bearer KEY`; the operator makes keys."


class InvalidApiKey(UnmaskError):
    """The API key is malformed, unknown or revoked."""

    code = "invalid_api_key"
    http_status = 401
    title = "The API key is not valid"
    action = "Compare the key with the one you were given, or ask the operator for a new one."


class MissingScope(UnmaskError):
    """The key is valid, but not for this."""

    code = "missing_scope"
    http_status = 403
    title = "The API key does not allow this"
    action = "Use a key that has the scope which the detail names."


class ApiKeyNotFound(UnmaskError):
    """No API key has this id."""

    code = "api_key_not_found"
    http_status = 404
    title = "There is no such API key"
    action = "Use the `id` of one of the keys that GET /keys lists."


class MalformedApiKeyId(InvalidRequest):
    """A path contains something that can never be the id of an API key."""

    code = "malformed_api_key_id"
    title = "This is not the id of an API key"
    action = "Use the `id` of one of the keys that GET /keys lists, never the key itself."


class AccessIsOpen(UnmaskError):
    """Keys are managed over HTTP only where keys say who manages them."""

    code = "access_is_open"
    http_status = 409
    title = "This installation asks nobody for a key"
    action = (
        "Make keys with `python -m unmask_gateway keys create`, then set UNMASK_ACCESS=keys; until "
        "then anybody could make one here that is valid later."
    )


class TooManyRequests(UnmaskError):
    """A key is used more often than this installation allows."""

    code = "too_many_requests"
    http_status = 429
    retryable = True
    title = "Too many requests with this key"
    action = (
        "Wait as many seconds as the Retry-After header says; the operator sets the limits with "
        "UNMASK_REQUESTS_PER_MINUTE and UNMASK_UPLOADS_PER_MINUTE."
    )

    def __init__(self, detail: str | None = None, *, retry_after_s: int = 1) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class TooManyUnfinishedVideos(TooManyRequests):
    """A key has as many videos waiting or at work as it may have at once."""

    code = "too_many_unfinished_videos"
    title = "Too many videos of this key are not finished yet"
    action = (
        "Wait until some are finished, or cancel some; the operator sets how many there may be "
        "with UNMASK_UNFINISHED_VIDEOS_PER_KEY."
    )


class TooManyOpenBatches(TooManyRequests):
    """A key has as many batches with items that wait as it may have at once."""

    code = "too_many_open_batches"
    title = "Too many batches of this key have items that wait"
    action = (
        "Wait until the items of some were accepted, or cancel some; the operator sets how many "
        "there may be with UNMASK_OPEN_BATCHES_PER_KEY."
    )


class PlaybackNotFound(UnmaskError):
    """An address for players is not valid, or no longer."""

    code = "playback_not_found"
    http_status = 404
    title = "There is no such playback address"
    action = "Ask for a new one with GET /videos/{video_id}/playback; each lasts an hour at most."


class StorageQuotaExceeded(UnmaskError):
    """The videos of a key fill all the room that it has."""

    code = "storage_quota_exceeded"
    http_status = 403
    title = "The videos of this key fill its storage"
    action = (
        "Delete videos that are not needed any more; the operator sets the room for each key with "
        "UNMASK_STORED_BYTES_PER_KEY."
    )
