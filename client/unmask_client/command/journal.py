"""What became of each video of a batch, kept in a file, so that the batch can go on after a crash.

A line of JSON for each step, on the disk before the next step begins. The key that stands for a
submission is written down before it is sent: sent again with it, it is still one video. A hash of
the file could not be that key, since name, options and webhook belong to a submission as well.
"""

import hashlib
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self

from filelock import FileLock, Timeout
from pydantic import ValidationError

from unmask_client.errors import InvalidArgument
from unmask_client.models import AnalysisOptions, Video
from unmask_client.operations import is_url

# Servers keep keys for a day, unless they are told to keep them for longer.
_KEYS_LAST: Final = timedelta(hours=23)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """How far one submission got.

    Attributes:
        key: Its Idempotency-Key.
        key_made_at: When it was first used, in UTC.
        upload_id: Of a direct upload that was begun.
        video_id: Of the video that was accepted.
        video: How that ended.
    """

    key: str
    key_made_at: datetime
    upload_id: str | None = None
    video_id: str | None = None
    video: Video | None = None

    @classmethod
    def new(cls) -> Self:
        """One that is about to be sent for the first time."""
        return cls(key=str(uuid.uuid4()), key_made_at=datetime.now(UTC))

    @property
    def may_be_sent(self) -> bool:
        """Whether the server still knows the key, if it came there."""
        return datetime.now(UTC) - self.key_made_at < _KEYS_LAST


class Journal:
    """The steps of a batch; keeps them in memory only where no file is given."""

    def __init__(self, path: Path | None) -> None:
        """Read what a run before wrote.

        Raises:
            InvalidArgument: The file cannot be read or written, is none, or another run uses it.
        """
        self._path = path
        self._entries: dict[str, Entry] = {}
        self._open = ExitStack()
        self._file: BinaryIO | None = None
        if path is None:
            return
        with _told(path), ExitStack() as opened:
            self._file = opened.enter_context(path.open("a+b"))
            try:
                opened.enter_context(FileLock(path.with_name(f".{path.name}.lock"), blocking=False))
            except Timeout as error:
                raise InvalidArgument(f"Another command is at the batch of {path}.") from error
            self._read(self._file, path)
            self._open = opened.pop_all()

    def find(self, identity: str) -> Entry | None:
        """How far a submission got before."""
        return self._entries.get(identity)

    def begin(self, identity: str, source: str) -> Entry:
        """Note the key of a submission before it is sent, or find the one that it was sent with."""
        entry = self._entries.get(identity)
        if entry is not None and entry.may_be_sent:
            return entry
        entry = Entry.new()
        made_at = entry.key_made_at.isoformat()
        self._write(identity, entry, source=source, key=entry.key, key_made_at=made_at)
        return entry

    def note_upload(self, identity: str, upload_id: str | None) -> None:
        """Note the direct upload that a submission has begun; None if it has to begin anew."""
        entry = replace(self._entries[identity], upload_id=upload_id)
        self._write(identity, entry, upload_id=upload_id)

    def note_accepted(self, identity: str, video_id: str) -> None:
        """Note the video that a submission became."""
        entry = replace(self._entries[identity], video_id=video_id)
        self._write(identity, entry, video_id=video_id)

    def note_end(self, identity: str, video: Video) -> None:
        """Note how the video ended."""
        entry = replace(self._entries[identity], video_id=video.id, video=video)
        self._write(identity, entry, video=video.as_json())

    def close(self) -> None:
        """Let other runs have the file."""
        self._open.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _write(self, identity: str, entry: Entry, **step: Any) -> None:
        self._entries[identity] = entry
        if self._file is None or self._path is None:
            return
        line = json.dumps({"submission": identity, **step})
        with _told(self._path):
            self._file.write(line.encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())

    def _read(self, file: BinaryIO, path: Path) -> None:
        file.seek(0)
        *lines, torn = file.read().split(b"\n")
        for number, line in enumerate(lines, start=1):
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
                raise InvalidArgument(
                    f"Line {number} of {path} is not of the journal of a batch."
                ) from error
        # A line without an end was being written when the power went: that step was not taken.
        file.truncate(file.tell() - len(torn))

    def _take(self, line: dict[str, Any]) -> None:
        identity = str(line["submission"])
        if "key" in line:
            made_at = datetime.fromisoformat(line["key_made_at"])
            self._entries[identity] = Entry(key=line["key"], key_made_at=made_at)
        elif "upload_id" in line:
            entry = self._entries[identity]
            self._entries[identity] = replace(entry, upload_id=line["upload_id"])
        elif "video_id" in line:
            entry = self._entries[identity]
            self._entries[identity] = replace(entry, video_id=line["video_id"])
        else:
            video = Video.model_validate(line["video"])
            entry = self._entries[identity]
            self._entries[identity] = replace(entry, video_id=video.id, video=video)


def identity_of(
    source: str, options: AnalysisOptions, *, webhook_url: str | None, server: str
) -> str:
    """Tells one submission from others; a file that was written since is another one.

    Raises:
        InvalidArgument: The file cannot be read.
    """
    where = source if is_url(source) else os.path.abspath(source)  # noqa: PTH100 - links stay
    about: list[Any] = [server, where, options.model_dump(mode="json"), webhook_url]
    if not is_url(source):
        with _told(Path(source)):
            stat = Path(source).stat()
        about += [stat.st_size, stat.st_mtime_ns]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InvalidArgument(f"{path} cannot be used: {error.strerror or error}.") from error
