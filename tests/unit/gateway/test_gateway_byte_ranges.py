"""Which bytes of a file a request wants."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask_gateway.byte_ranges import ByteRange, is_known, wanted_range
from unmask_shared.errors import RangeNotSatisfiable

ETAG = '"abc"'


def wanted(value: str, size: int = 100, **headers: str) -> tuple[int, int] | None:
    all_headers = {"range": value, **{k.replace("_", "-"): v for k, v in headers.items()}}
    found = wanted_range(all_headers, size=size, etag=ETAG)
    return found and (found.start, found.length)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-", (0, 100)),
        ("bytes=10-19", (10, 10)),
        ("BYTES=10-19", (10, 10)),
        ("bytes= 10-19 ", (10, 10)),
        ("bytes=90-500", (90, 10)),
        ("bytes=99-", (99, 1)),
        ("bytes=-1", (99, 1)),
        ("bytes=-500", (0, 100)),
    ],
)
def test_a_range_is_cut_to_the_file(value: str, expected: tuple[int, int]) -> None:
    assert wanted(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        *("", "bytes=-", "bytes=5-4", "bytes=0-1,5-6", "items=0-1", "bytes=a-b", "bytes=0x1-"),
        *("0-1", "bytes=1-2-3", "bytes=--1", "bytes=\u0661-", "bytes=" + "9" * 40 + "-"),
    ],
)
def test_what_makes_no_sense_is_answered_with_everything(value: str) -> None:
    assert wanted(value) is None


@pytest.mark.parametrize("value", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_what_lies_behind_the_end_is_refused(value: str) -> None:
    with pytest.raises(RangeNotSatisfiable, match="100 bytes"):
        wanted(value)


def test_a_range_of_a_file_that_changed_is_answered_with_everything() -> None:
    assert wanted("bytes=0-1", if_range=ETAG) == (0, 2)
    for other in ('"abd"', 'W/"abc"', "Wed, 21 Oct 2015 07:28:00 GMT"):
        assert wanted("bytes=0-1", if_range=other) is None


def test_content_ranges_name_the_last_byte() -> None:
    assert ByteRange(start=10, length=5).content_range(100) == "bytes 10-14/100"


@given(st.integers(1, 50), st.one_of(st.none(), st.integers(0, 60)), st.integers(0, 60))
def test_ranges_never_leave_the_file(size: int, first: int | None, last: int) -> None:
    content = bytes(range(size))
    try:
        found = wanted(f"bytes={'' if first is None else first}-{last}", size)
    except RangeNotSatisfiable:
        assert last == 0 if first is None else first >= size
        return
    if found is None:
        assert first is not None
        assert first > last
    else:
        start, length = found
        expected = content[-last:] if first is None else content[first : last + 1]
        assert content[start : start + length] == expected
        assert len(expected) == length > 0


@pytest.mark.parametrize(
    ("value", "known"),
    [(ETAG, True), ('W/"abc"', True), ('"x", "abc"', True), ("*", True), ('"x"', False)],
)
def test_a_client_that_has_the_file_is_known_by_its_hash(value: str, known: bool) -> None:
    assert is_known({"if-none-match": value}, etag=ETAG) is known
    assert not is_known({}, etag=ETAG)
