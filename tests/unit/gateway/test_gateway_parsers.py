"""Parsers of what callers send: any input gives a value or the one error that is documented."""

import json
import string
import time
from contextlib import suppress
from typing import Any

import httpcore
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from unmask_gateway.access.keys import PresentedKey, make_key, parse_key_id
from unmask_gateway.byte_ranges import is_known, wanted_range
from unmask_gateway.downloads import attachment
from unmask_gateway.forms import clean_content_type, clean_filename
from unmask_gateway.json_submissions import VideoSubmission
from unmask_gateway.listing import VideoListQuery
from unmask_gateway.outbound.rules import UrlRules
from unmask_gateway.outbound.settings import SourceUrlSettings
from unmask_gateway.webhooks.documents import Delivery
from unmask_gateway.webhooks.settings import WebhookSettings, key_of
from unmask_shared.errors import (
    InvalidCursor,
    InvalidOption,
    InvalidRequest,
    RangeNotSatisfiable,
    SourceUrlRefused,
)

ETAG = '"abc"'
header_text = st.text(st.characters(max_codepoint=255))
# Texts that come near to what is read: random ones never do.
range_text = st.text("bytes=0123456789-, \t", max_size=40).map(lambda text: f"bytes={text}")
url_text = st.text(string.ascii_letters + string.digits + ":/@[]?#%.\\-_~ \r\n\0\u3002\u2488\xe9")


@given(header_text | range_text, st.none() | header_text, st.integers(1, 2**40))
@example("bytes=" + "9" * 100_000 + "-", None, 1)
@example("bytes=-" + "0" * 18, None, 5)
@example("bytes=" + "0-0," * 10_000, None, 5)
def test_ranges_lie_within_the_file(text: str, if_range: str | None, size: int) -> None:
    headers = {"range": text} | ({} if if_range is None else {"if-range": if_range})
    started_at = time.monotonic()
    with suppress(RangeNotSatisfiable):
        stretch = wanted_range(headers, size=size, etag=ETAG)
        if stretch is not None:
            assert 0 <= stretch.start < stretch.start + stretch.length <= size
    is_known({"if-none-match": text}, etag=ETAG)
    assert time.monotonic() - started_at < 1.0


@given(st.text(max_size=128) | st.text(string.ascii_letters + string.digits + "-_=", max_size=128))
def test_cursors_are_places_or_refused(text: str) -> None:
    with suppress(InvalidCursor):
        place = VideoListQuery(cursor=text).place
        assert place is not None
        assert place.isascii()
        assert len(place) == 18 + 1 + 36


@given(st.text(max_size=300) | url_text.map(lambda text: f"http://{text}"))
@example("http://[::ffff:127.0.0.1]/")
@example("http://[v1.x]/")
@example("http://a\u3002b/")
@example("http://\u2488com/")
@example("http://a.com:\u0661/")
@example("http://" + "a." * 1000)
@example("http://xn--/")
@example("http://" + "\xe9" * 300)
def test_urls_are_targets_that_http_can_carry_or_refused(text: str) -> None:
    with suppress(SourceUrlRefused):
        target = SourceUrlSettings(allowed_ports="80,443,8080").check(text)
        assert target.scheme in {"http", "https"}
        assert target.port in {80, 443, 8080}
        assert target.host
        assert not set(target.host) - set(string.ascii_lowercase + string.digits + "-_.:")
        assert target.path.startswith("/")
        assert target.path.isascii()
        assert target.path.isprintable()
        assert " " not in target.path
        assert not set(target.host_header) & set("\r\n @/\\")
        httpcore.Request(
            "GET",
            httpcore.URL(
                scheme=target.scheme, host=target.host, port=target.port, target=target.path
            ),
        )


@given(url_text)
def test_a_list_of_hosts_is_not_talked_round(text: str) -> None:
    """Whatever surrounds it: only the allowed host comes out of a URL that is taken."""
    rules = UrlRules(allowed_hosts="media.example")
    for url in (
        f"http://media.example{text}",
        f"http://{text}media.example/",
        f"http://{text}@media.example/",
        f"http://media.example\\{text}",
    ):
        with suppress(SourceUrlRefused):
            assert rules.check(url).host == "media.example"


@given(st.text() | st.from_regex(r"unmask_[0-9a-f]{16}_[0-9a-f]{60,66}", fullmatch=True))
def test_keys_are_whole_or_none(text: str) -> None:
    presented = PresentedKey.parse(text)
    assert presented is None or str(presented) == text
    with suppress(InvalidRequest):
        assert parse_key_id(text) == text


@given(st.text())
def test_no_other_secret_opens_a_key(text: str) -> None:
    key, presented = make_key("test", frozenset({"read"}))  # type: ignore[arg-type]
    assert key.is_opened_by(presented.secret)
    for other in (text, "", presented.secret[:-1], presented.secret.upper() + text, key.id):
        assert other == presented.secret or not key.is_opened_by(other)


json_values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
field_names = st.sampled_from([*VideoSubmission.model_fields, "other"])


@given(
    st.binary(max_size=200)
    | st.dictionaries(field_names, json_values).map(lambda value: json.dumps(value).encode())
)
@example(b"[" * 60_000)
@example(b'{"source_url":' + b"9" * 60_000 + b"}")
@example(b'{"source_url":"\\ud800"}')
def test_documents_name_one_file_or_are_refused(body: bytes) -> None:
    started_at = time.monotonic()
    with suppress(InvalidOption, InvalidRequest):
        wanted = VideoSubmission.parse(body)
        assert (wanted.source_url is None) != (wanted.upload_id is None)
        assert wanted.options.model_dump()
    assert time.monotonic() - started_at < 1.0


@given(st.text(max_size=100) | st.text(string.ascii_letters + "+/=").map(lambda t: f"whsec_{t}"))
def test_webhook_secrets_are_strong_or_refused(text: str) -> None:
    with suppress(ValidationError):
        secret = WebhookSettings(secret=SecretStr(text)).secret
        assert text == "" if secret is None else 24 <= len(key_of(secret)) <= 64


@given(st.text(max_size=600))
def test_names_make_headers_that_end_where_they_should(name: str) -> None:
    for header in (attachment(name), attachment(clean_filename(name))):
        assert header.isascii()
        assert header.isprintable()
        assert header.count('"') == 2
    assert clean_filename(name).strip(". ")


@given(st.binary(max_size=300))
def test_media_types_make_headers(value: bytes) -> None:
    kept = clean_content_type(value)
    assert kept.isascii()
    assert kept.isprintable()
    assert 0 < len(kept) <= 127


@given(st.binary(max_size=300) | json_values.map(lambda value: json.dumps(value).encode()))
def test_stored_deliveries_are_read_or_refused(text: bytes) -> None:
    with pytest.raises(ValidationError):
        Delivery.model_validate_json(text)
