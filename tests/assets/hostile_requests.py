"""Requests of clients that mean harm, or nothing at all; the same ones for the same seed."""

import gzip
import json
import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

GIF: Final = b"GIF89a" + bytes(range(256)) * 8
VIDEO_ID: Final = "01890a5d-ac96-774b-bcce-b302099a8057"

# What is sent where, as it should be; hostile documents are made from these.
DOCUMENTS: Final[dict[tuple[str, str], dict[str, Any]]] = {
    ("POST", "/videos"): {
        "source_url": "http://127.0.0.1/a.gif",
        "heatmaps": True,
        "face_mode": "faces",
        "model": "a/1",
        "webhook_url": "http://127.0.0.1/",
    },
    ("POST", "/uploads"): {"bytes": 5, "filename": "a.gif", "content_type": "image/gif"},
    ("POST", "/keys"): {"name": "newsroom", "scopes": ["read"]},
    ("PUT", "/models/active"): {"name": "resnet-lstm", "version": "1.0.0"},
    ("POST", f"/videos/{VIDEO_ID}/analyses"): {"model": "a/1"},
    ("POST", f"/videos/{VIDEO_ID}/cancel"): {},
}

_VALUES: Final[tuple[bytes, ...]] = (
    b"null",
    b"true",
    b"-1",
    b"0",
    b"1e999",
    b"-1e999",
    b"NaN",
    b"Infinity",
    b"9" * 5000,
    b"9" * 400 + b".5",
    b"1e-99999999999",
    b"18446744073709551616",
    b'""',
    b'"\\u0000"',
    b'"\\ud800"',
    b'"\\udfff\\ud800"',
    b'"\\u202e4pm.exe"',
    b'"\xff\xfe"',
    b'"../../../../etc/passwd"',
    b'"a\\r\\nSet-Cookie: a=b"',
    b'"' + b"a" * 60_000 + b'"',
    b'"' + b"a" * 10_000_000 + b'"',
    b"[" * 30_000,
    b'{"a":' * 10_000,
    b"[]",
    b"{}",
    b"[[[[[]]]]]",
    b"[" + b"0," * 20_000 + b"0]",
    b'"http://[::1"',
    b'"http://2130706433/"',
    b'"http://0x7f.1/"',
    b'"file:///etc/passwd"',
    b'"gopher://127.0.0.1:6379/_FLUSHALL"',
    b'"http://169.254.169.254/latest/meta-data/"',
    b'"http://user:pass@127.0.0.1/"',
    b'"http://\\u2488.example/"',
    b'"http://' + b"a." * 900 + b'/"',
    b'"<script>alert(1)</script>"',
    b"'single'",
    b"/* comment */ 1",
    b"01",
    b"+1",
    b".5",
    b"",
)
_WHOLE: Final[tuple[bytes, ...]] = (
    b"",
    b" ",
    b"null",
    b"[]",
    b'"text"',
    b"1",
    b"{",
    b"}",
    b"{}" * 100,
    b"\xef\xbb\xbf{}",
    b"\xff\xfe{\0}\0",
    b"\0\0\0{",
    b"{}\0",
    bytes(range(256)),
    gzip.compress(b"{}"),
    gzip.compress(bytes(10_000_000)),
    zlib.compress(bytes(10_000_000)),
    b"PK\x03\x04" + bytes(100),
    b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    b"a=1&b=2",
    b'{"__proto__": {"x": 1}, "constructor": 1}',
    b'{"": 1}',
    b'{"\\ud800": 1}',
    b"{" + b",".join(b'"k%d":1' % n for n in range(4000)) + b"}",
)


def documents(seed: int, count: int) -> Iterator[tuple[str, str, bytes]]:
    """Method, path and body of requests with JSON: the crafted ones first, then mutated ones."""
    for method, path in DOCUMENTS:
        for body in _WHOLE:
            yield method, path, body
    chance = random.Random(seed)
    for _ in range(count):
        (method, path), document = chance.choice(list(DOCUMENTS.items()))
        yield method, path, _mutated(document, chance)


def _mutated(document: dict[str, Any], chance: random.Random) -> bytes:
    fields = {name: json.dumps(value).encode() for name, value in document.items()}
    for name in fields:
        if chance.random() < 0.5:
            fields[name] = chance.choice(_VALUES)
    pairs = [b'"%s":%s' % (name.encode(), value) for name, value in fields.items()]
    if chance.random() < 0.3:
        pairs.append(b'"%s":%s' % (chance.choice(list(fields) or ["x"]).encode(), b"1"))
    if chance.random() < 0.2:
        pairs.append(b'"unknown":' + chance.choice(_VALUES))
    body = b"{" + b",".join(pairs) + b"}"
    if chance.random() < 0.3 and len(body) > 2:
        body = body[: chance.randrange(len(body))]
    if chance.random() < 0.3:
        flipped = bytearray(body[:70_000])
        for _ in range(1 + len(flipped) // 200):
            if flipped:
                flipped[chance.randrange(len(flipped))] = chance.randrange(256)
        body = bytes(flipped)
    return body


FILENAMES: Final[tuple[str, ...]] = (
    "",
    ".",
    "..",
    "../../../../etc/passwd",
    "..\\..\\windows\\system32\\cmd.exe",
    "/etc/shadow",
    "C:\\autoexec.bat",
    "C:a.mp4",
    "\\\\server\\share\\a.mp4",
    "file:///etc/passwd",
    "a\0b.mp4",
    "a.mp4\0.exe",
    "a\r\nSet-Cookie: a=b\r\n\r\n<html>",
    "\u202e4pm.exe",
    "\u2066a\u2069.mp4",
    "a\u200b\ufeffb.mp4",
    "a\u2028b\u2029c.mp4",
    "a" * 10_000 + ".mp4",
    "\U0001f600" * 3_000,
    "e" + "\u0301" * 5_000,
    "CON",
    "NUL.mp4",
    "aux.txt ",
    "a.mp4:stream",
    "a.mp4. . .",
    "~root",
    "$(reboot)",
    "`reboot`",
    "; rm -rf /",
    "-rf",
    "%2e%2e%2fa",
    "%00",
    "<script>alert(1)</script>.mp4",
    '"><img src=x onerror=alert(1)>.mp4',
    "'-alert(1)-'.mp4",
    "{{7*7}}${7*7}<%=7*7%>.mp4",
    "javascript:alert(1)",
    "a\x1b[2Jb.mp4",
    "a\x7fb\x9bc.mp4",
    "\ufffe\uffff.mp4",
    "=cmd|' /C calc'!A0",
    'a"; filename="b.mp4',
    "a%22%0d%0a.mp4",
    "\u65e5\u672c\u8a9e.mp4",
)


@dataclass(frozen=True, kw_only=True)
class Form:
    """A body that is, or is not, `multipart/form-data`."""

    name: str
    content_type: str | None
    body: bytes


def part(disposition: bytes, content: bytes, *headers: bytes) -> bytes:
    lines = [b"--B", b"Content-Disposition: " + disposition, *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + content + b"\r\n"


def _file(content: bytes = GIF, name: bytes = b"a.gif") -> bytes:
    return part(b'form-data; name="file"; filename="' + name + b'"', content)


def _field(name: bytes, value: bytes) -> bytes:
    return part(b'form-data; name="' + name + b'"', value)


_END: Final = b"--B--\r\n"


def forms(seed: int, count: int) -> Iterator[Form]:
    """Forms that should be refused, or taken for what they are: crafted ones, then mutated ones."""
    usual = "multipart/form-data; boundary=B"
    whole = _field(b"heatmaps", b"true") + _file() + _END
    crafted: dict[str, bytes] = {
        "thousands of parts": _field(b"model", b"") * 5000 + _file() + _END,
        "thousands of empty parts": b"--B\r\n\r\n\r\n" * 5000 + _END,
        "a field of 5 MB": _field(b"x", b"a" * 5_000_000) + _file() + _END,
        "an option of 5 MB": _field(b"heatmaps", b"t" * 5_000_000) + _file() + _END,
        "a webhook of 5 MB": _field(b"webhook_url", b"h" * 5_000_000) + _file() + _END,
        "a header of 5 MB": part(b'form-data; name="file"', GIF, b"X: " + b"a" * 5_000_000) + _END,
        "a name of 1 MB": _field(b"a" * 1_000_000, b"1") + _file() + _END,
        "thousands of headers": part(b'form-data; name="file"', GIF, *[b"X: 1"] * 5000) + _END,
        "header without colon": part(b'form-data; name="file"', GIF, b"nonsense") + _END,
        "disposition twice": part(
            b'form-data; name="x"', GIF, b'Content-Disposition: form-data; name="file"'
        )
        + _END,
        "no disposition": b"--B\r\nX: 1\r\n\r\n" + GIF + b"\r\n" + _END,
        "broken disposition": part(b'form-data; name="file; filename=', GIF) + _END,
        "binary disposition": part(b"\xff\xfe\x01", GIF) + _END,
        "extended name": part(b"form-data; name=\"file\"; filename*=UTF-8''..%2f..%2fa%00", GIF)
        + _END,
        "nested multipart": part(
            b'form-data; name="file"', b"--C\r\n\r\n\r\n--C--", b"Content-Type: multipart/mixed"
        )
        + _END,
        "transfer encoding": part(
            b'form-data; name="file"', b"R0lGODlh", b"Content-Transfer-Encoding: base64"
        )
        + _END,
        "no end": _file(),
        "no parts": _END,
        "text behind the end": whole + b"x" * 100_000,
        "text before the start": b"x" * 100_000 + whole,
        "wrong boundary": whole.replace(b"--B", b"--C"),
        "boundary in the file": _file(GIF + b"\r\n--B" + GIF) + _END,
        "bare line feeds": whole.replace(b"\r\n", b"\n"),
        "two files": _file() + _file() + _END,
        "the same option thrice": _field(b"heatmaps", b"true") * 3 + _file() + _END,
        "array syntax": _field(b"heatmaps[]", b"true") + _file() + _END,
        "an empty file": _file(b"") + _END,
        "only the signature": _file(b"GIF89a") + _END,
        "a page": _file(b"<html><script>alert(1)</script>") + _END,
        "a gzip bomb": _file(gzip.compress(bytes(20_000_000))) + _END,
        "nothing": b"",
    }
    for name, body in crafted.items():
        yield Form(name=name, content_type=usual, body=body)
    for content_type in (
        None,
        "",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=" + "B" * 5000,
        'multipart/form-data; boundary="B',
        "multipart/form-data; boundary=\xff\xfe",
        "multipart/form-data; boundary=B; boundary=C",
        "multipart/form-data; charset=utf-7; boundary=C",
        "multipart/mixed; boundary=B",
        "application/x-www-form-urlencoded",
        "application/xml",
        "video/mp4",
        "; boundary=B",
        "a" * 10_000,
    ):
        yield Form(name=f"type {content_type!r:.60}", content_type=content_type, body=whole)
    chance = random.Random(seed)
    for number in range(count):
        mutated = bytearray(whole)
        for _ in range(chance.randrange(1, 12)):
            at = chance.randrange(len(mutated))
            match chance.randrange(4):
                case 0:
                    mutated[at] = chance.randrange(256)
                case 1:
                    del mutated[at : at + chance.randrange(1, 40)]
                case 2:
                    mutated[at:at] = mutated[: chance.randrange(1, 80)]
                case _:
                    mutated[at:at] = chance.choice(
                        (b"\r\n", b"--B", b"--", b"\0", b'"', b";", b":")
                    )
        yield Form(name=f"seed {seed}, {number}", content_type=usual, body=bytes(mutated))


HEADERS: Final[tuple[tuple[str, bytes], ...]] = (
    ("Host", b"["),
    ("Host", b"evil.example/..?#"),
    ("Host", b"\xff\xfe"),
    ("X-Forwarded-For", b"127.0.0.1"),
    ("X-Forwarded-Host", b"evil.example"),
    ("Forwarded", b"for=127.0.0.1;host=evil.example"),
    ("X-Original-URL", b"/keys"),
    ("X-HTTP-Method-Override", b"DELETE"),
    ("Authorization", b"Bearer"),
    ("Authorization", b"Bearer " + b"a" * 20_000),
    ("Authorization", b"Bearer \xff\xfe"),
    ("Authorization", b"Basic \xff"),
    ("Authorization", b"\t"),
    ("Cookie", b"session=1; " * 1000),
    ("Range", b"bytes=" + b"0-0," * 5000),
    ("Range", b"bytes=-" + b"9" * 5000),
    ("Range", b"bytes=18446744073709551616-"),
    ("Range", b"lines=\xff"),
    ("If-Range", b'"' + b"a" * 10_000),
    ("If-None-Match", b"*," * 10_000),
    ("If-None-Match", b"W/" * 10_000),
    ("If-Modified-Since", b"Thu, 99 Foo 99999 99:99:99 GMT"),
    ("Accept", b"*/*;q=" + b"9" * 5000),
    ("Accept", b"a/b," * 10_000),
    ("Accept-Encoding", b"gzip;q=nan, br;q=1e999, *"),
    ("Accept-Language", b"\xff" * 1000),
    ("Content-Type", b"\xff/\xfe; boundary=\0".replace(b"\0", b"")),
    ("Content-Type", b"application/json" + b"; a=b" * 5000),
    ("Content-Encoding", b"gzip"),
    ("Idempotency-Key", b"a" * 5000),
    ("Idempotency-Key", b"\xff"),
    ("Idempotency-Key", b"../../keys/a"),
    ("Last-Event-ID", b"\xff" * 1000),
    ("Last-Event-ID", b"9" * 5000),
    ("Origin", b"null"),
    ("Upgrade", b"websocket"),
    ("Expect", b"200-maybe"),
    ("Expect", b"100-continue"),
    ("Connection", b"close, keep-alive, upgrade, x" * 100),
    ("TE", b"trailers"),
)
