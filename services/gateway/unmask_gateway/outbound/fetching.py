"""Fetches files from URLs of callers, while somebody else stores them."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import unquote, urljoin, urlsplit

import httpcore
from python_multipart.multipart import parse_options_header

from unmask_gateway.forms import clean_content_type, clean_filename
from unmask_gateway.outbound.client import OutboundClient, RequestFailed, translated
from unmask_shared.errors import SourceUrlUnreachable, UploadTooLarge

MAX_REDIRECTS: Final = 5

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_OK: Final = 200


class FileFetch:
    """One file at a URL.

    Attributes:
        filename: Cleaned name that the server or the URL gives it; set with the first bytes.
        content_type: Media type that the server gives; set with the first bytes.
    """

    def __init__(
        self, url: str, *, client: OutboundClient, max_bytes: int, timeout_s: float
    ) -> None:
        """Prepare to fetch; nothing is sent yet.

        Args:
            url: Where the file is.
            client: Knows which URLs are allowed.
            max_bytes: The file may be as large as this.
            timeout_s: All of it, redirects and storing included, may take so long.

        Raises:
            SourceUrlRefused: The URL is not allowed.
        """
        client.rules.check(url)
        self.filename = clean_filename("")
        self.content_type = clean_content_type(b"")
        self._url = url
        self._client = client
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Fetch the file and yield its bytes as they come.

        Raises:
            SourceUrlRefused: The URL, or where it leads, is not allowed.
            SourceUrlUnreachable: There is no such file, its server fails, or it takes too long.
            UploadTooLarge: The file is too large.
        """
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        received = 0
        try:
            async with self._opened(deadline) as response:
                body = aiter(response.aiter_stream())
                while True:
                    with translated():
                        async with asyncio.timeout_at(deadline):
                            chunk = await anext(body, None)
                    if chunk is None:
                        return
                    received += len(chunk)
                    if received > self._max_bytes:
                        raise UploadTooLarge(f"The file is larger than {self._max_bytes} bytes.")
                    yield chunk
        except RequestFailed as error:
            raise SourceUrlUnreachable(f"After {received} bytes: {error}.") from error
        except TimeoutError as error:
            raise SourceUrlUnreachable(
                f"The file took longer than {self._timeout_s:g} s; {received} bytes came."
            ) from error

    @asynccontextmanager
    async def _opened(self, deadline: float) -> AsyncIterator[httpcore.Response]:
        """Follow redirects, each as carefully as the first URL, to the answer with the file."""
        url = self._url
        for _ in range(MAX_REDIRECTS + 1):
            request = self._client.send(
                "GET", url, headers={"Accept": "*/*", "Accept-Encoding": "identity"}
            )
            async with asyncio.timeout_at(deadline):
                response = await request.__aenter__()
            try:
                headers = _headers(response)
                if response.status not in _REDIRECTS:
                    self._check(response.status, headers)
                    self._take_names(url, headers)
                    yield response
                    return
            finally:
                await request.__aexit__(None, None, None)
            if "location" not in headers:
                raise SourceUrlUnreachable(f"The server answers {response.status}, to nowhere.")
            url = _joined(url, headers["location"])
        raise SourceUrlUnreachable(f"The URL leads over more than {MAX_REDIRECTS} redirects.")

    def _check(self, status: int, headers: dict[str, str]) -> None:
        if status != _OK:
            raise SourceUrlUnreachable(f"The server answers with the status {status}.")
        encoding = headers.get("content-encoding", "identity").lower()
        if encoding != "identity":
            raise SourceUrlUnreachable(f"The server compresses the file ({encoding[:32]!r}).")
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._max_bytes:
            raise UploadTooLarge(
                f"The file has {length} bytes; files of up to {self._max_bytes} bytes are taken."
            )

    def _take_names(self, url: str, headers: dict[str, str]) -> None:
        _, parameters = parse_options_header(headers.get("content-disposition", ""))
        given = parameters.get(b"filename", b"").decode(errors="replace")
        self.filename = clean_filename(given or unquote(urlsplit(url).path))
        self.content_type = clean_content_type(headers.get("content-type", "").encode("latin-1"))


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise SourceUrlUnreachable(
            f"The server redirects to {location[:64]!r}, which is no URL."
        ) from error


def _headers(response: httpcore.Response) -> dict[str, str]:
    return {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers
    }
