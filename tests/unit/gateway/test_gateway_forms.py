import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask_gateway.forms import MAX_FORM_BYTES, FileForm, clean_filename
from unmask_shared.errors import (
    InvalidOption,
    InvalidRequest,
    MalformedUpload,
    UnsupportedContentType,
    UploadTooLarge,
)
from unmask_shared.videos import AnalysisOptions

BOUNDARY = "frontier"
HEADER = f"multipart/form-data; boundary={BOUNDARY}"


def part(content: bytes, *, name: str = "file", filename: str | None = "clip.mp4") -> bytes:
    named = f'; filename="{filename}"' if filename is not None else ""
    head = (
        f"--{BOUNDARY}\r\n"
        f'Content-Disposition: form-data; name="{name}"{named}\r\n'
        "Content-Type: video/mp4\r\n\r\n"
    )
    return head.encode() + content + b"\r\n"


def option(name: str, value: str | bytes) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
    return head.encode() + (value if isinstance(value, bytes) else value.encode()) + b"\r\n"


def closed(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def parse(
    body: bytes, cuts: list[int] | None = None, *, most: int = 1 << 20
) -> tuple[FileForm, bytes]:
    form = FileForm(HEADER, max_file_bytes=most)
    edges = [0, *sorted(cut % (len(body) + 1) for cut in cuts or []), len(body)]
    pieces = [body[start:end] for start, end in itertools.pairwise(edges)]
    return form, b"".join(data for piece in pieces for data in form.feed(piece))


# Contents made of the boundary's own pieces are the hardest to tell from a boundary.
contents = (
    st.lists(
        st.sampled_from(
            [
                b"\r",
                b"\n",
                b"\r\n",
                b"-",
                b"--",
                b"\r\n--",
                b"\r\n--front",
                b"\r\n--frontie",
                b"x",
                b"\0",
            ]
        )
        | st.binary(max_size=40)
    )
    .map(b"".join)
    .filter(lambda content: f"\r\n--{BOUNDARY}".encode() not in b"\r\n" + content)
)


@given(content=contents, cuts=st.lists(st.integers(min_value=0, max_value=1000), max_size=12))
def test_a_file_survives_any_cut_of_the_body(content: bytes, cuts: list[int]) -> None:
    body = closed(option("heatmaps", "true"), part(content), option("webhook_url", "http://a"))
    form, data = parse(body, cuts)
    assert data == content
    assert form.is_complete
    assert form.filename == "clip.mp4"
    assert form.content_type == "video/mp4"


@given(
    asked=st.fixed_dictionaries(
        {},
        optional={
            "face_mode": st.sampled_from(["faces", "full_frame"]),
            "keep_faceless_frames": st.sampled_from(["true", "false"]),
            "landmark_overlays": st.sampled_from(["true", "false"]),
            "heatmaps": st.sampled_from(["true", "false"]),
        },
    ),
    place=st.integers(min_value=0, max_value=4),
    cuts=st.lists(st.integers(min_value=0, max_value=1000), max_size=12),
)
def test_options_are_read_before_and_behind_the_file_however_the_body_is_cut(
    asked: dict[str, str], place: int, cuts: list[int]
) -> None:
    parts = [option(name, value) for name, value in asked.items()]
    parts.insert(min(place, len(parts)), part(b"content"))
    form, data = parse(closed(*parts), cuts)
    assert data == b"content"
    assert form.options.chosen() == AnalysisOptions.model_validate(asked)


def test_without_options_the_defaults_are_chosen() -> None:
    form, _ = parse(closed(part(b"content")))
    assert form.options.chosen() == AnalysisOptions()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("heatmap", "'heatmap'"),
        ("Face_Mode", "'Face_Mode'"),
        ("video", "'video'"),
        ("", "''"),
        ("\u202e\x1b", r"'\\u202e\\x1b'"),
        ("x" * 2000, "'xxx"),
    ],
)
def test_a_field_that_is_not_known_is_named_with_those_that_are(name: str, shown: str) -> None:
    unknown = option(name, "true")
    for body in (closed(unknown, part(b"content")), closed(part(b"content"), unknown)):
        with pytest.raises(InvalidRequest, match=f"field named {shown}") as refusal:
            parse(body)
        assert "`file`, `face_mode`, `heatmaps`" in refusal.value.detail
        assert len(refusal.value.detail) < 700


def test_a_field_that_is_not_known_is_refused_before_the_file_arrives() -> None:
    form = FileForm(HEADER, max_file_bytes=1 << 20)
    with pytest.raises(InvalidRequest, match="'heatmap'"):
        form.feed(option("heatmap", "true"))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("face_mode", "profile", "`face_mode` is 'profile', not `faces` or `full_frame`"),
        ("face_mode", "", "`face_mode` is '', not"),
        ("face_mode", "Faces", "'Faces'"),
        ("face_mode", "faces ", "'faces '"),
        ("keep_faceless_frames", "1", "`keep_faceless_frames` is '1', not `true` or `false`"),
        ("landmark_overlays", "TRUE", "'TRUE'"),
        ("landmark_overlays", b"\xff\0\x1b[31m", r"'\\ufffd\\x00\\x1b\[31m'"),
        ("landmark_overlays", "true" * 1000, "truetrue' and more, not"),
    ],
)
def test_an_option_that_does_not_exist_is_named_with_what_is_allowed(
    name: str, value: str | bytes, message: str
) -> None:
    for body in (closed(option(name, value), part(b"x")), closed(part(b"x"), option(name, value))):
        with pytest.raises(InvalidOption, match=message) as refusal:
            parse(body)
        assert len(refusal.value.detail) < 300


def test_a_wrong_option_is_refused_before_the_rest_arrives() -> None:
    form = FileForm(HEADER, max_file_bytes=1 << 20)
    with pytest.raises(InvalidOption):
        form.feed(option("face_mode", "profile") + f"--{BOUNDARY}\r\n".encode())


@pytest.mark.parametrize("values", [("true", "true"), ("false", "true")])
def test_an_option_may_be_sent_once(values: tuple[str, str]) -> None:
    fields = [option("landmark_overlays", value) for value in values]
    with pytest.raises(InvalidOption, match="more than one field named `landmark_overlays`"):
        parse(closed(fields[0], part(b"x"), fields[1]))


form_fragments = st.sampled_from(
    [
        b"--frontier",
        b"--",
        b"\r\n",
        b'Content-Disposition: form-data; name="file"',
        b": ",
        b'"',
        b";",
    ]
)


@given(fragments=st.lists(form_fragments | st.binary(max_size=8)))
def test_a_garbled_form_is_refused_as_malformed_or_left_unfinished(fragments: list[bytes]) -> None:
    with contextlib.suppress(MalformedUpload, InvalidRequest):
        form, data = parse(b"".join(fragments))
        assert form.has_file or not data


@given(keep=st.integers(min_value=0, max_value=400))
def test_a_cut_body_never_counts_as_complete(keep: int) -> None:
    body = closed(part(b"content" * 20))
    end_of_boundary = len(body) - len(b"\r\n")
    form, _ = parse(body[: min(keep, end_of_boundary - 1)])
    assert not form.is_complete


@pytest.mark.parametrize(
    "header", [None, "", "application/json", "video/mp4", "multipart/mixed; boundary=a"]
)
def test_other_content_types_are_refused(header: str | None) -> None:
    with pytest.raises(UnsupportedContentType):
        FileForm(header, max_file_bytes=1)


@pytest.mark.parametrize(
    "header",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        f"multipart/form-data; boundary={'b' * 300}",
    ],
)
def test_an_unusable_boundary_is_refused(header: str) -> None:
    with pytest.raises(MalformedUpload):
        FileForm(header, max_file_bytes=1)


def test_the_form_may_come_without_the_file() -> None:
    form, data = parse(closed(option("heatmaps", "true")))
    assert form.is_complete
    assert not form.has_file
    assert data == b""


def test_a_file_without_a_name_is_taken() -> None:
    form, data = parse(closed(part(b"content", filename=None)))
    assert data == b"content"
    assert form.filename == "unnamed"


def test_a_second_file_is_refused() -> None:
    with pytest.raises(MalformedUpload, match="more than one"):
        parse(closed(part(b"a"), part(b"b")))


def test_a_file_over_the_limit_is_refused_and_one_at_the_limit_is_not() -> None:
    _, data = parse(closed(part(b"x" * 1000)), most=1000)
    assert len(data) == 1000
    with pytest.raises(UploadTooLarge, match="1000 bytes"):
        parse(closed(part(b"x" * 1001)), most=1000)


@pytest.mark.parametrize(
    "body",
    [
        closed(*[option("model", "") for _ in range(50)]),
        b"\r\n" * MAX_FORM_BYTES,
        closed(part(b"video")) + b"epilogue" * MAX_FORM_BYTES,
        f"--{BOUNDARY}\r\nContent-Disposition: {'x' * 9000}".encode(),
        f"--{BOUNDARY}\r\n".encode() + b"X-Header: y\r\n" * 100,
    ],
    ids=["many parts", "preamble", "epilogue", "long header", "many headers"],
)
def test_what_surrounds_the_file_is_bounded(body: bytes) -> None:
    with pytest.raises(MalformedUpload):
        parse(body)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("clip.mp4", "clip.mp4"),
        ("C:\\Users\\ada\\clip.mp4", "clip.mp4"),
        ("/home/ada/clip.mp4", "clip.mp4"),
        ("..\\../../etc/passwd", "passwd"),
        ("a\0b\r\nc\x7f.mp4", "abc.mp4"),
        ("gpj\u202e4pm.exe", "gpj4pm.exe"),
        ("  ", "unnamed"),
        ("", "unnamed"),
        ("folder/", "unnamed"),
        ("..", "unnamed"),
        ("a/. .", "unnamed"),
        ("Żółć 视频.mp4", "Żółć 视频.mp4"),
        ("x" * 400, "x" * 255),
    ],
)
def test_names_are_reduced_to_something_safe(sent: str, kept: str) -> None:
    assert clean_filename(sent) == kept


@given(st.text(max_size=600))
def test_cleaned_names_are_never_paths_and_always_fit(name: str) -> None:
    cleaned = clean_filename(name)
    assert 1 <= len(cleaned) <= 255
    assert not set(cleaned) & set("/\\\0\r\n")
    assert clean_filename(cleaned) == cleaned


def test_a_name_in_another_encoding_does_not_break_the_upload() -> None:
    body = closed(part(b"x")).replace(b"clip.mp4", b"\xff\xfeclip.mp4")
    form, _ = parse(body)
    assert form.filename.endswith("clip.mp4")


def test_a_content_type_that_cannot_be_stored_is_replaced() -> None:
    body = closed(part(b"x")).replace(b"video/mp4", b"v" * 200)
    form, _ = parse(body)
    assert form.content_type == "application/octet-stream"
