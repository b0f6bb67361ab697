"""Lists the uploads in parts that a bucket holds, for which the client has no method."""

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from typing import Final

import urllib3
from minio.datatypes import ListMultipartUploadsResult, Upload

from unmask_shared.object_store.presigning import Presigner
from unmask_shared.object_store.s3_requests import refusal_of

_SIGNED_FOR: Final = timedelta(minutes=5)
_NEXT: Final = re.compile(rb"<NextUploadIdMarker>([^<]+)</NextUploadIdMarker>")


class UnfinishedUploads:
    """Looks into one bucket; errors are those of the client."""

    def __init__(self, http: urllib3.PoolManager, presigner: Presigner, bucket: str) -> None:
        self._http = http
        self._presigner = presigner
        self._bucket = bucket

    def __iter__(self) -> Iterator[Upload]:
        """Yield the uploads page by page."""
        query = {"uploads": ""}
        while True:
            answer = self._ask(query)
            page = ListMultipartUploadsResult(answer)
            yield from page.uploads
            after = _NEXT.search(answer.data)
            if not page.is_truncated or after is None:
                return
            # AWS S3 goes on from a key and an id, SeaweedFS from an id alone.
            query["upload-id-marker"] = unescape(after[1].decode())
            if page.next_key_marker:
                query["key-marker"] = page.next_key_marker

    def _ask(self, query: dict[str, str]) -> urllib3.BaseHTTPResponse:
        url = self._presigner.sign(
            "GET", self._bucket, query=query, headers={}, expires=_SIGNED_FOR
        )
        answer = self._http.request("GET", url)
        if answer.status < 300:
            return answer
        raise refusal_of(answer, self._bucket)
