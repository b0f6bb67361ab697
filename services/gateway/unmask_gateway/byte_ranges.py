"""Which bytes of a file a request wants (RFC 9110, section 14), and what it knows already."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from unmask_shared.errors import RangeNotSatisfiable

# A number of more digits is behind the end of any file, and costs time to read.
_RANGE: Final = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class ByteRange:
    """A stretch of a file that is not empty.

    Attributes:
        start: Position of its first byte.
        length: How many bytes.
    """

    start: int
    length: int

    def content_range(self, size: int) -> str:
        """Value of the `Content-Range` header, for a file of this size."""
        return f"bytes {self.start}-{self.start + self.length - 1}/{size}"


def wanted_range(headers: Mapping[str, str], *, size: int, etag: str) -> ByteRange | None:
    """Return the stretch that a request asks for; None for the whole file.

    Several ranges at once, other units and what makes no sense are answered with the whole file, as
    the standard allows, and so is a range of a file that has changed (`If-Range`).

    Args:
        headers: Of the request, with names in lower case.
        size: Of the file, in bytes; at least 1.
        etag: Of the file, a strong one in its quotes.

    Raises:
        RangeNotSatisfiable: The range lies behind the end.
    """
    match = _RANGE.fullmatch(headers.get("range", ""))
    if match is None or headers.get("if-range", etag).strip() != etag:
        return None
    first, last = match.groups()
    if first:
        start, stop = int(first), min(int(last) + 1 if last else size, size)
        if last and int(last) < start:
            return None
    elif last:
        start, stop = max(0, size - int(last)), size
    else:
        return None
    if start >= stop:
        raise RangeNotSatisfiable(f"The file has {size} bytes; {match[0]!r} lies behind its end.")
    return ByteRange(start=start, length=stop - start)


def is_known(headers: Mapping[str, str], *, etag: str) -> bool:
    """Whether the client has the file already (`If-None-Match`)."""
    known = [tag.strip().removeprefix("W/") for tag in headers.get("if-none-match", "").split(",")]
    return etag in known or known == ["*"]
