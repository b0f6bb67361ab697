"""The one multipart form that the API takes, parsed while it arrives."""

import unicodedata
from enum import Enum, auto
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from unmask_gateway.options import OPTION_FIELDS, OptionFields
from unmask_gateway.outbound.rules import MAX_URL_LENGTH
from unmask_shared.errors import (
    InvalidOption,
    InvalidRequest,
    MalformedUpload,
    UnsupportedContentType,
    UploadTooLarge,
)

FILE_FIELD: Final = "file"
WEBHOOK_FIELD: Final = "webhook_url"
_FIELDS: Final = (FILE_FIELD, *sorted(OPTION_FIELDS), WEBHOOK_FIELD)
# Everything that is not the file itself: boundaries, headers, other fields.
MAX_FORM_BYTES: Final = 64 * 1024
_MAX_PARTS: Final = 16
_MAX_PART_HEADERS: Final = 16
_MAX_FILENAME: Final = 255
_UNNAMED: Final = "unnamed"
_UNKNOWN_TYPE: Final = "application/octet-stream"
_MAX_TYPE: Final = 127
_SHOWN_OF_A_NAME: Final = 64
# Control and format characters (bidirectional overrides can make one name look like another),
# line and paragraph separators, lone surrogates.
_DROPPED_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


class _Part(Enum):
    FILE = auto()
    OPTION = auto()
    WEBHOOK = auto()


class FileForm:
    """A `multipart/form-data` body with one file and some options, fed in pieces of any size.

    Attributes:
        filename: Last component of the name that the client gave, cleaned; set with the first
            bytes of the file.
        content_type: Media type that the client gave.
        has_file: Whether the file's part has begun.
        is_complete: Whether the closing boundary has been seen.
        options: What the form asks for; whole once the form is.
        webhook_url: Where the outcome is to be sent, if anywhere; known once the form is whole.
    """

    def __init__(self, content_type_header: str | None, *, max_file_bytes: int) -> None:
        """Prepare for a body.

        Args:
            content_type_header: The request's `Content-Type`.
            max_file_bytes: The file may be as large as this.

        Raises:
            UnsupportedContentType: The body is not multipart/form-data.
            MalformedUpload: The header has no usable boundary.
        """
        self.filename = _UNNAMED
        self.content_type = _UNKNOWN_TYPE
        self.has_file = False
        self.is_complete = False
        self.options = OptionFields()
        self.webhook_url: str | None = None
        self._webhook = bytearray()
        self._max_file_bytes = max_file_bytes
        self._file_bytes = 0
        self._body_bytes = 0
        self._parts = 0
        self._part: _Part | None = None
        self._headers: dict[bytes, bytes] = {}
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._file_data: list[bytes] = []
        self._parser = _make_parser(_boundary(content_type_header), self)

    def feed(self, body: bytes) -> list[bytes]:
        """Parse the next piece of the body and return the bytes of the file that it holds.

        Raises:
            MalformedUpload: The body is no such form, or holds too much beside the file.
            InvalidRequest: A field is not known; the name of an option may be misspelt.
            InvalidOption: An option is repeated, or has a value that is not allowed.
            UploadTooLarge: The file is larger than allowed.
        """
        self._body_bytes += len(body)
        try:
            self._parser.write(body)
        except FormParserError as error:
            raise MalformedUpload(f"The multipart body cannot be parsed: {error}.") from error
        if self._file_bytes > self._max_file_bytes:
            raise UploadTooLarge(f"The file is larger than {self._max_file_bytes} bytes.")
        # A partial boundary at the end of a piece belongs to neither side yet; it is short.
        if self._body_bytes - self._file_bytes > MAX_FORM_BYTES:
            raise MalformedUpload(f"The form holds over {MAX_FORM_BYTES} bytes beside the file.")
        data, self._file_data = self._file_data, []
        return data

    # --- callbacks of the parser -------------------------------------------------------------

    def on_part_begin(self) -> None:
        """Forget the part before."""
        self._parts += 1
        if self._parts > _MAX_PARTS:
            raise MalformedUpload(f"The form has more than {_MAX_PARTS} parts.")
        self._headers.clear()

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        """Collect a piece of a header's name."""
        self._header_name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        """Collect a piece of a header's value."""
        self._header_value += data[start:end]

    def on_header_end(self) -> None:
        """Keep the header."""
        self._headers[bytes(self._header_name).lower()] = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def on_headers_finished(self) -> None:
        """Find out what the part is."""
        _, parameters = parse_options_header(self._headers.get(b"content-disposition"))
        name = parameters.get(b"name", b"").decode(errors="replace")
        if name in OPTION_FIELDS:
            self._part = _Part.OPTION
            self.options.begin(name)
        elif name == WEBHOOK_FIELD:
            self._part = _Part.WEBHOOK
        elif name == FILE_FIELD:
            self._part = _Part.FILE
            self._begin_file(parameters.get(b"filename", b""))
        else:
            raise InvalidRequest(
                f"The form has a field named {name[:_SHOWN_OF_A_NAME]!a}, which is not known; "
                f"its fields are {', '.join(f'`{known}`' for known in _FIELDS)}."
            )

    def _begin_file(self, filename: bytes) -> None:
        if self.has_file:
            raise MalformedUpload(f"The form has more than one field named `{FILE_FIELD}`.")
        self.has_file = True
        self.filename = clean_filename(filename.decode(errors="replace"))
        self.content_type = clean_content_type(self._headers.get(b"content-type", b""))

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        """Keep what belongs to the file or to a text field."""
        if self._part is _Part.FILE:
            self._file_data.append(data[start:end])
            self._file_bytes += end - start
        elif self._part is _Part.OPTION:
            self.options.feed(data[start:end])
        elif self._part is _Part.WEBHOOK:
            self._webhook += data[start:end]
            if len(self._webhook) > MAX_URL_LENGTH:
                raise InvalidOption(f"`{WEBHOOK_FIELD}` has over {MAX_URL_LENGTH} bytes.")

    def on_part_end(self) -> None:
        """Check a text field that is whole."""
        if self._part is _Part.OPTION:
            self.options.end()
        elif self._part is _Part.WEBHOOK:
            self._take_webhook()

    def _take_webhook(self) -> None:
        if self.webhook_url is not None:
            raise InvalidOption(f"The form has more than one field named `{WEBHOOK_FIELD}`.")
        # A form sends what nobody filled in.
        self.webhook_url = self._webhook.decode(errors="replace") or None
        self._webhook.clear()

    def on_end(self) -> None:
        """Note the closing boundary."""
        self.is_complete = True


def clean_filename(name: str) -> str:
    """Reduce what a client calls its file to something that is safe to store and to show.

    Args:
        name: Any text, perhaps a path of any operating system.

    Returns:
        The last component without control characters, 1 to 255 characters long.
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(c for c in last if unicodedata.category(c) not in _DROPPED_CATEGORIES).strip()
    # A name of dots alone is a folder to whoever saves it.
    return shown[:_MAX_FILENAME] if shown.strip(". ") else _UNNAMED


def clean_content_type(value: bytes) -> str:
    """Return a media type as it was given, or the one of unknown bytes where it cannot be kept."""
    media_type = value.decode("latin-1").strip()
    is_usable = media_type.isascii() and media_type.isprintable() and len(media_type) <= _MAX_TYPE
    return media_type if media_type and is_usable else _UNKNOWN_TYPE


def _boundary(content_type_header: str | None) -> bytes:
    media_type, options = parse_options_header(content_type_header)
    if media_type != b"multipart/form-data":
        named = media_type.decode("latin-1")[:_MAX_TYPE] or "none"
        raise UnsupportedContentType(f"The content type is {named!r}, not multipart/form-data.")
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise MalformedUpload("The Content-Type header names no boundary.")
    return boundary


def _make_parser(boundary: bytes, form: FileForm) -> MultipartParser:
    try:
        return MultipartParser(
            boundary,
            {
                "on_part_begin": form.on_part_begin,
                "on_header_field": form.on_header_field,
                "on_header_value": form.on_header_value,
                "on_header_end": form.on_header_end,
                "on_headers_finished": form.on_headers_finished,
                "on_part_data": form.on_part_data,
                "on_part_end": form.on_part_end,
                "on_end": form.on_end,
            },
            max_header_count=_MAX_PART_HEADERS,
        )
    except FormParserError as error:
        raise MalformedUpload(f"The boundary cannot be used: {error}.") from error
