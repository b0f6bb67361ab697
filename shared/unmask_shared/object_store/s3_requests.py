"""S3 requests that the client has no method for, sent to URLs that it signs."""

import re
from datetime import timedelta
from typing import Final

import urllib3
from minio import Minio
from minio.error import S3Error

_SIGNED_FOR: Final = timedelta(minutes=5)
_NOT_FREE: Final = frozenset({409, 412})
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

    def _send(
        self, method: str, key: str, *, body: bytes | None = None, headers: dict[str, str]
    ) -> urllib3.BaseHTTPResponse:
        url = self._client.get_presigned_url(method, self._bucket, key, expires=_SIGNED_FOR)
        return self._http.request(method, url, body=body, headers=headers)

    def _raise_unless_ok(self, answer: urllib3.BaseHTTPResponse, key: str) -> None:
        if answer.status < 300:
            return
        code = _CODE.search(answer.data)
        raise S3Error(
            response=answer,
            code=code[1].decode() if code else f"HTTP {answer.status}",
            message=None,
            resource=None,
            request_id=None,
            host_id=None,
            bucket_name=self._bucket,
            object_name=key,
        )
