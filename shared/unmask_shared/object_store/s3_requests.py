"""S3 requests that the client has no method for, sent to URLs that it signs."""

import re
from collections.abc import Sequence
from datetime import timedelta
from html import unescape
from typing import Final, cast
from xml.etree import ElementTree

import urllib3
from minio import Minio
from minio.datatypes import ListPartsResult, Part
from minio.error import InvalidResponseError, S3Error

_SIGNED_FOR: Final = timedelta(minutes=5)
_NOT_FREE: Final = frozenset({409, 412})
_UPLOAD_ID: Final = re.compile(rb"<UploadId>([^<]+)</UploadId>")
_CODE: Final = re.compile(rb"<Code>(\w+)</Code>")


class SignedRequests:
    """Sends requests about the objects of one bucket; errors are those of the client."""

    def __init__(self, client: Minio, bucket: str, http: urllib3.PoolManager) -> None:
        self._client = client
        self._bucket = bucket
        self._http = http

    def put_if_free(self, key: str, data: bytes, *, content_type: str) -> bool:
        """Store the bytes unless the key holds an object; returns whether that was done.

        A header says that, `If-None-Match`, which AWS S3, MinIO and SeaweedFS honour.
        """
        answer = self._send(
            "PUT", key, body=data, headers={"If-None-Match": "*", "Content-Type": content_type}
        )
        if answer.status in _NOT_FREE:
            return False
        self._raise_unless_ok(answer, key)
        return True

    def begin_parts(self, key: str, *, content_type: str) -> str:
        """Begin an upload in parts; returns its id."""
        answer = self._send(
            "POST", key, query={"uploads": ""}, headers={"Content-Type": content_type}
        )
        self._raise_unless_ok(answer, key)
        found = _UPLOAD_ID.search(answer.data)
        if found is None:
            raise InvalidResponseError(answer.status, answer.headers.get("content-type"), None)
        return unescape(found[1].decode())

    def put_part(self, key: str, upload: str, number: int, data: memoryview) -> str:
        """Store one part of an upload; returns its ETag."""
        answer = self._send(
            "PUT",
            key,
            query={"uploadId": upload, "partNumber": str(number)},
            body=cast("bytes", data),  # urllib3 sends any buffer, but does not say so
        )
        self._raise_unless_ok(answer, key)
        return answer.headers["ETag"].strip('"')

    def list_parts(self, key: str, upload: str) -> list[Part]:
        """The parts that have arrived, at most 1000 of them."""
        answer = self._send("GET", key, query={"uploadId": upload, "max-parts": "1000"})
        self._raise_unless_ok(answer, key)
        return ListPartsResult(answer).parts

    def join_parts(self, key: str, upload: str, parts: Sequence[tuple[int, str]]) -> None:
        """Make an object of the parts with these numbers and ETags."""
        document = ElementTree.Element("CompleteMultipartUpload")
        for number, etag in parts:
            part = ElementTree.SubElement(document, "Part")
            ElementTree.SubElement(part, "PartNumber").text = str(number)
            ElementTree.SubElement(part, "ETag").text = f'"{etag}"'
        answer = self._send(
            "POST", key, query={"uploadId": upload}, body=ElementTree.tostring(document)
        )
        # It may fail after it has begun to answer with 200.
        self._raise_unless_ok(answer, key, or_with_error=True)

    def drop_parts(self, key: str, upload: str) -> None:
        """Throw the parts of an upload away."""
        self._raise_unless_ok(self._send("DELETE", key, query={"uploadId": upload}), key)

    def _send(
        self,
        method: str,
        key: str,
        *,
        query: dict[str, str] | None = None,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> urllib3.BaseHTTPResponse:
        url = self._client.get_presigned_url(
            method, self._bucket, key, expires=_SIGNED_FOR, extra_query_params={**(query or {})}
        )
        return self._http.request(method, url, body=body, headers=headers)

    def _raise_unless_ok(
        self, answer: urllib3.BaseHTTPResponse, key: str, *, or_with_error: bool = False
    ) -> None:
        if answer.status < 300 and not (or_with_error and b"<Error>" in answer.data):
            return
        raise refusal_of(answer, self._bucket, key)


def refusal_of(answer: urllib3.BaseHTTPResponse, bucket: str, key: str | None = None) -> S3Error:
    """What a server says in an answer that is no success, as MinIO's client would raise it."""
    code = _CODE.search(answer.data)
    return S3Error(
        response=answer,
        code=code[1].decode() if code else f"HTTP {answer.status}",
        message=None,
        resource=None,
        request_id=None,
        host_id=None,
        bucket_name=bucket,
        object_name=key,
    )
