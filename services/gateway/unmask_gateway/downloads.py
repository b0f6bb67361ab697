"""How files from strangers are named and labelled, so that browsers do nothing but play or save."""

from typing import Final
from urllib.parse import quote

from unmask_shared.containers import sniff_container

UNKNOWN_TYPE: Final = "application/octet-stream"

_WEBM: Final = "video/webm"
_MEDIA_TYPES: Final = {
    "mp4": "video/mp4",
    "matroska": "video/x-matroska",
    "avi": "video/x-msvideo",
    "mpeg-ps": "video/mpeg",
    "mpeg-ts": "video/mp2t",
    "flv": "video/x-flv",
    "asf": "video/x-ms-wmv",
    "ogg": "video/ogg",
    "gif": "image/gif",
}
MEDIA_TYPES: Final = (*_MEDIA_TYPES.values(), _WEBM, UNKNOWN_TYPE)
"""All that a file from a stranger is labelled as."""

# What may stand in an extended parameter as it is (RFC 8187).
_PLAIN_IN_EXTENDED: Final = "!#$&+-.^_`|~"
_NOT_IN_QUOTES: Final = frozenset('"\\%')


def media_type_of(head: bytes) -> str:
    """Return a media type that no browser takes for a page or a script.

    Args:
        head: The first bytes of the file; what the sender said of it does not count.
    """
    container = sniff_container(head)
    if container == "matroska" and b"webm" in head:
        return _WEBM
    return _MEDIA_TYPES.get(container or "", UNKNOWN_TYPE)


def attachment(filename: str) -> str:
    """Return a `Content-Disposition` that saves a file under its name (RFC 6266).

    Args:
        filename: Any text; old clients see its ASCII characters only.
    """
    plain = "".join(
        c if c.isascii() and c.isprintable() and c not in _NOT_IN_QUOTES else "_" for c in filename
    )
    extended = quote(filename, safe=_PLAIN_IN_EXTENDED, errors="replace")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{extended}"
