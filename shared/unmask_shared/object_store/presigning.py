"""URLs that let their bearer send one request to an S3 endpoint, and no other.

The client signs URLs too, but only their host: whoever has one may send a body of any size. Here
headers are signed as well (AWS Signature Version 4 in the query,
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html).
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote, urlsplit

_ALGORITHM: Final = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, kw_only=True)
class Presigner:
    """Signs URLs below one endpoint.

    Attributes:
        endpoint: Scheme, host and port under which the bearer reaches the store.
        region: Of the bucket.
        access_key: Name of the credentials.
        secret_key: What they prove.
    """

    endpoint: str
    region: str
    access_key: str
    secret_key: str

    def sign(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        expires: timedelta,
    ) -> str:
        """Return a URL for one request.

        Args:
            method: Of the request.
            path: Bucket and key, not encoded.
            query: Parameters of the request.
            headers: What the request has to send exactly so, beside the host.
            expires: The URL is good for so long, at most 7 days.
        """
        now = datetime.now(UTC)
        day, stamp = now.strftime("%Y%m%d"), now.strftime("%Y%m%dT%H%M%SZ")
        scope = f"{day}/{self.region}/s3/aws4_request"
        sent = {"host": urlsplit(self.endpoint).netloc} | {
            name.lower(): value for name, value in headers.items()
        }
        names = ";".join(sorted(sent))
        parameters = {
            **query,
            "X-Amz-Algorithm": _ALGORITHM,
            "X-Amz-Credential": f"{self.access_key}/{scope}",
            "X-Amz-Date": stamp,
            "X-Amz-Expires": str(int(expires.total_seconds())),
            "X-Amz-SignedHeaders": names,
        }
        encoded = "&".join(
            f"{quote(name, safe='')}={quote(value, safe='')}"
            for name, value in sorted(parameters.items())
        )
        url_path = quote(f"/{path}", safe="/")
        lines = [method, url_path, encoded]
        lines += [f"{name}:{sent[name]}" for name in sorted(sent)]
        lines += ["", names, "UNSIGNED-PAYLOAD"]
        request = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        signature = hmac.new(
            self._key(day), f"{_ALGORITHM}\n{stamp}\n{scope}\n{request}".encode(), hashlib.sha256
        ).hexdigest()
        return f"{self.endpoint}{url_path}?{encoded}&X-Amz-Signature={signature}"

    def _key(self, day: str) -> bytes:
        key = f"AWS4{self.secret_key}".encode()
        for part in (day, self.region, "s3", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return key
