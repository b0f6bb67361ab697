"""How files from strangers are named and labelled."""

from email.message import Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask_gateway.downloads import attachment, media_type_of


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"\0\0\0\x18ftypisom\0\0\2\0isommp41", "video/mp4"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm", "video/webm"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x82\x88matroska", "video/x-matroska"),
        (b"GIF89a", "image/gif"),
        (b"<html><script>alert(1)</script>", "application/octet-stream"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "application/octet-stream"),
        (b"", "application/octet-stream"),
    ],
)
def test_only_media_is_called_so(head: bytes, media_type: str) -> None:
    assert media_type_of(head) == media_type


def test_names_are_given_in_both_forms() -> None:
    assert attachment("clip.mp4") == "attachment; filename=\"clip.mp4\"; filename*=UTF-8''clip.mp4"
    assert attachment('Bär "1".mp4') == (
        "attachment; filename=\"B_r _1_.mp4\"; filename*=UTF-8''B%C3%A4r%20%221%22.mp4"
    )


@given(st.text(min_size=1, max_size=50))
def test_no_name_leaves_its_parameter(name: str) -> None:
    value = attachment(name)
    assert value.isascii()
    assert value.isprintable()
    message = Message()
    message["Content-Disposition"] = value
    names = [key for key, _ in message.get_params([], header="Content-Disposition")]
    assert names[0] == "attachment"
    assert set(names[1:]) <= {"filename", "filename*"}
