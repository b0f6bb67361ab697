"""Reads server-sent events (WHATWG HTML, "Server-sent events") from bytes as they arrive."""

import codecs
from collections.abc import Iterator


class EventStream:
    """Takes a stream in pieces of any size and gives the data of its events.

    Lines end with LF or CRLF. Comments, which servers send to keep connections open, are no events.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._unfinished = ""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> Iterator[str]:
        """Yield the data of each event that the piece completes."""
        *lines, self._unfinished = (self._unfinished + self._decoder.decode(piece)).split("\n")
        for line in lines:
            name, _, value = line.removesuffix("\r").partition(":")
            if name == "data":
                self._data.append(value.removeprefix(" "))
            elif not name and not value and self._data:
                yield "\n".join(self._data)
                self._data.clear()
