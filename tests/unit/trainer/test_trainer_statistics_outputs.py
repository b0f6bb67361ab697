"""What is made of a survey: selection, summaries, tables, the text and the figure."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unmask_shared.errors import InvalidRequest
from unmask_trainer.statistics.figure import PANELS, draw_figure, drawn_groups, panel_histogram
from unmask_trainer.statistics.histograms import histogram
from unmask_trainer.statistics.inspection import Header, Problem, VideoFacts
from unmask_trainer.statistics.report import report
from unmask_trainer.statistics.selection import Dropped, FrameRange
from unmask_trainer.statistics.summary import derive_statistics, describe, summarise
from unmask_trainer.statistics.survey import SurveyedVideo, VideoFile
from unmask_trainer.statistics.tables import COLUMNS, row_of, write_tables

PANEL = {panel.quantity: panel for panel in PANELS}


def row(name, *, size=1000, problem=None, claimed=None, **values):
    """A video as a survey finds it: unless told otherwise, 100 frames of 320x240 in 4 s."""
    facts = {
        "container": "mp4",
        "codec": "h264",
        "width": 320,
        "height": 240,
        "fps": 25.0,
        "frames": 100,
        "complete": True,
        "duration_s": 4.0,
        "decoded_frames": None,
        "header": Header(frames=claimed, fps=25.0, duration_s=4.0),
        "sha256": None,
    }
    return SurveyedVideo(
        file=VideoFile(path=Path("/data") / name, name=name, group=name.partition("/")[0]),
        bytes=size,
        facts=None if problem else VideoFacts(**(facts | values)),
        problem=problem,
    )


def longer(name, counted):
    return row(name, frames=counted, complete=False, duration_s=None)


CORRUPT = Problem(code="unreadable_video", detail="The mp4 container is damaged, badly.")


# --- Selection ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("video", "reason"),
    [
        (row("a", frames=15), Dropped.TOO_SHORT),
        (row("a", frames=16), None),
        (row("a", frames=300), None),
        (row("a", frames=301), Dropped.TOO_LONG),
        (longer("a", 300), Dropped.TOO_LONG),
        (longer("a", 380), Dropped.TOO_LONG),
        (row("a", frames=20, decoded_frames=15), Dropped.TOO_SHORT),
        (row("a", problem=CORRUPT), Dropped.CORRUPT),
    ],
)
def test_the_number_of_frames_decides(video, reason):
    assert FrameRange(shortest=16, longest=300).why_dropped(video) is reason


def test_without_an_upper_bound_long_videos_are_kept():
    assert FrameRange(shortest=16).why_dropped(longer("a", 20)) is None
    assert FrameRange().why_dropped(row("a", frames=10**6)) is None


@pytest.mark.parametrize(("shortest", "longest"), [(0, None), (-1, 5), (10, 9), (1, 0)])
def test_a_range_without_any_number_is_refused(shortest, longest):
    with pytest.raises(InvalidRequest, match=f"at least {shortest}"):
        FrameRange(shortest=shortest, longest=longest)


def test_counting_must_go_on_until_the_range_is_decided():
    wanted = FrameRange(shortest=16, longest=300)

    wanted.check_stop(None)
    wanted.check_stop(300)
    with pytest.raises(InvalidRequest, match="stops at 299"):
        wanted.check_stop(299)
    with pytest.raises(InvalidRequest, match="stop at 16"):
        FrameRange(shortest=16).check_stop(15)


# --- Summaries ---------------------------------------------------------------------------------


def test_a_distribution_is_described_by_its_percentiles():
    found = describe([float(value) for value in range(101)])

    assert (found.count, found.minimum, found.maximum) == (101, 0, 100)
    assert (found.p5, found.p25, found.median, found.p75, found.p95) == (5, 25, 50, 75, 95)
    assert describe([1, 1, 4]).mean == 2


def test_everything_in_a_group_is_counted():
    videos = [
        row("a", frames=10, duration_s=0.4, claimed=10),
        row("b", claimed=99, width=640, height=480),
        row("c", decoded_frames=90, codec="vp9", container="matroska"),
        longer("d", 380),
        row("e", problem=CORRUPT, size=None),
    ]

    found = summarise(videos, FrameRange(shortest=16, longest=300))

    assert (found.files, found.readable, found.kept, found.bytes) == (5, 4, 2, 4000)
    assert found.dropped == {Dropped.CORRUPT: 1, Dropped.TOO_SHORT: 1, Dropped.TOO_LONG: 1}
    assert found.longer_than_counted == 1
    assert found.misleading_headers == 1
    assert found.partly_undecodable == 1
    assert found.seconds == pytest.approx(8.4)
    assert list(found.resolutions.items()) == [("320x240", 3), ("640x480", 1)]
    assert found.codecs == {"h264": 3, "vp9": 1}
    assert found.containers == {"mp4": 3, "matroska": 1}
    assert found.problems == {"unreadable_video": 1}
    assert found.distributions["frames"].count == 3
    assert found.distributions["fps"].count == 4


def test_a_header_misleads_a_stopped_count_only_if_it_claims_less():
    honest = row("a", frames=380, complete=False, claimed=900)
    lying = row("b", frames=380, complete=False, claimed=380)

    assert summarise([honest], FrameRange()).misleading_headers == 0
    assert summarise([lying], FrameRange()).misleading_headers == 1


def test_files_with_the_same_bytes_are_named_together():
    videos = [row("real/a", sha256="1"), row("fake/b", sha256="2"), row("fake/c", sha256="1")]

    assert derive_statistics(videos, FrameRange()).duplicates == (("real/a", "fake/c"),)
    assert derive_statistics([row("a"), row("b")], FrameRange()).duplicates == ()


# --- Tables ------------------------------------------------------------------------------------


def test_a_row_says_what_was_found():
    video = row("real/a.mp4", claimed=120, frames=100, fps=24.975, sha256="ab", size=5000)

    assert row_of(video, FrameRange(longest=50)) == {
        "file": "real/a.mp4",
        "group": "real",
        "status": "ok",
        "kept": "no",
        "dropped_because": "too_long",
        "container": "mp4",
        "codec": "h264",
        "fps": "24.975",
        "width": "320",
        "height": "240",
        "duration_s": "4.000",
        "frames": "100",
        "decoded_frames": "",
        "header_frames": "120",
        "header_fps": "25.000",
        "header_duration_s": "4.000",
        "bytes": "5000",
        "bits_per_s": "10000",
        "sha256": "ab",
        "error_code": "",
        "error": "",
    }


def test_a_count_that_stopped_is_marked():
    found = row_of(longer("a", 380), FrameRange(longest=300))

    assert (found["frames"], found["duration_s"], found["bits_per_s"]) == (">380", "", "")


def test_the_tables_hold_all_files_and_the_names_that_are_kept(tmp_path):
    strange = 'real/ä "x", 假\udcff.mp4'  # its last byte before the dot is no UTF-8
    videos = [row(strange), row("real/b.mp4", problem=CORRUPT), row("fake/c.mp4", frames=3)]

    write_tables(derive_statistics(videos, FrameRange(shortest=16)), tmp_path / "new" / "folder")

    folder = tmp_path / "new" / "folder"
    with (folder / "videos.csv").open(
        newline="", encoding="utf-8", errors="surrogateescape"
    ) as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [found["file"] for found in rows] == [strange, "real/b.mp4", "fake/c.mp4"]
    assert [found["kept"] for found in rows] == ["yes", "no", "no"]
    assert (rows[1]["status"], rows[1]["error_code"]) == ("corrupt", "unreadable_video")
    assert rows[1]["error"] == CORRUPT.detail
    kept = (folder / "kept.txt").read_text(encoding="utf-8", errors="surrogateescape")
    assert kept == f"{strange}\n"
    document = json.loads((folder / "statistics.json").read_text())
    assert document["wanted_frames"] == {"shortest": 16, "longest": None}
    assert document["total"]["dropped"] == {"corrupt": 1, "too_short": 1, "too_long": 0}
    assert document["groups"]["fake"]["distributions"]["frames"]["median"] == 3


def test_the_text_names_groups_and_everything_that_is_wrong():
    videos = [
        row("real/a", sha256="1"),
        row("real/b\udcff", sha256="1", claimed=7),
        row("fake/c", problem=CORRUPT),
        longer("fake/d", 380),
    ]

    text = report(derive_statistics(videos, FrameRange(longest=300)))

    heading, fake, real, total, *findings = text.splitlines()
    assert heading.split()[:2] == ["files", "corrupt"]
    assert fake.split()[:6] == ["fake", "2", "1", "0", "1", "0"]
    assert real.split()[:6] == ["real", "2", "0", "0", "0", "2"]
    assert total.split()[:6] == ["all", "4", "1", "0", "1", "2"]
    assert "320x240 (2)" in real
    assert "1 have another number of frames than their headers claim." in findings
    assert r"The same bytes: real/a, real/b\udcff" in findings
    assert f"Corrupt: fake/c: unreadable_video: {CORRUPT.detail}" in findings
    assert any("more frames than were counted" in finding for finding in findings)
    text.encode()  # can be written to any terminal


# --- Histograms --------------------------------------------------------------------------------


def filled(numbers, group):
    """The bins that hold something: lower and upper edge, count."""
    edges, counts = numbers.edges.tolist(), numbers.counts[group].tolist()
    bins = zip(edges[:-1], edges[1:], counts, strict=True)
    return [(round(low, 6), round(high, 6), count) for low, high, count in bins if count]


def test_values_are_counted_in_bins_with_round_edges():
    numbers = histogram({"real": [0, 9, 10, 299], "fake": [10.0, 20.0]}, finest=1)

    assert np.allclose(np.diff(numbers.edges), 10)
    assert filled(numbers, "real") == [(0, 10, 2), (10, 20, 1), (290, 300, 1)]
    assert filled(numbers, "fake") == [(10, 20, 1), (20, 30, 1)]


def test_nearly_equal_rates_fall_into_one_bin():
    numbers = histogram(
        {"a": [29.97, 30.0, 30.01, 23.976, 24.0]},
        finest=PANEL["fps"].finest,
        round_numbers="middle",
    )

    assert filled(numbers, "a") == [(23.75, 24.25, 2), (29.75, 30.25, 3)]


def test_a_length_that_is_just_kept_lies_below_the_bound_and_its_successor_above():
    videos = {"a": [row(str(frames), frames=frames) for frames in (20, 299, 300, 301, 600)]}

    numbers = panel_histogram(PANEL["frames"], videos)

    assert filled(numbers, "a") == [
        (0.5, 20.5, 1),
        (280.5, 300.5, 2),
        (300.5, 320.5, 1),
        (580.5, 600.5, 1),
    ]


@pytest.mark.parametrize("value", [0.0, 0.3, 0.7, 1.1, 25.0, 299.99, 1e6])
@pytest.mark.parametrize("place", ["start", "middle", "end"])
def test_no_value_is_lost(value, place):
    for others in ([], [value * 1.7], [value + 0.1 * step for step in range(40)]):
        values = [value, *others]
        numbers = histogram({"a": values}, finest=0.1, round_numbers=place)
        assert numbers.counts["a"].sum() == len(values)


def test_a_long_tail_gets_logarithmic_bins():
    values = [3.0] * 30 + [5.0, 8.0] * 10 + [3600.0]
    numbers = histogram({"a": values}, finest=0.1)

    assert numbers.logarithmic
    assert np.allclose(np.diff(np.log(numbers.edges)), np.diff(np.log(numbers.edges))[0])
    assert numbers.counts["a"].sum() == len(values)
    assert filled(numbers, "a")[0][2] == 30
    assert not histogram({"a": [3.0, 5.0, 8.0, 30.0]}, finest=0.1).logarithmic


def test_nothing_is_counted_where_there_is_nothing():
    numbers = histogram({"a": []}, finest=1)

    assert numbers.counts["a"].sum() == 0


def test_what_was_not_counted_to_its_end_is_kept_apart():
    groups = {"real": [row("a", frames=90), longer("b", 380)], "fake": [row("c", frames=20)]}

    frames = panel_histogram(PANEL["frames"], groups)
    assert frames.beyond == {"real": 1, "fake": 0}
    assert frames.counts["real"].sum() == 1
    assert frames.edges[-1] >= 380
    assert panel_histogram(PANEL["duration_s"], groups).beyond == {"real": 1, "fake": 0}
    assert panel_histogram(PANEL["width"], groups).counts["real"].sum() == 2
    assert panel_histogram(PANEL["width"], groups).beyond == {"real": 0, "fake": 0}


def test_small_groups_are_drawn_as_one():
    videos = [row(f"big{group}/{clip}") for group in range(6) for clip in range(3)]
    videos += [row(f"person{number:03d}/a") for number in range(200)]

    groups = drawn_groups(videos)

    assert {name: len(found) for name, found in groups.items()} == {
        **{f"big{group}": 3 for group in range(6)},
        "200 other groups": 200,
    }


VARIED = [row(f"{group}/{n}", frames=20 + 7 * n) for group in ("real", "fake") for n in range(40)]


@pytest.mark.parametrize(
    "videos",
    [
        VARIED,
        [row("a")],
        [row("a", problem=CORRUPT)],
        [longer("a", 380)],
        [*VARIED, longer("real/x", 380), row("real/y", frames=90_000, duration_s=3600.0)],
        [row(f"person{number}/a", fps=float(number + 1)) for number in range(300)],
        [row(f"{group}/a") for group in ("_hidden", "$x$", "假的", "a\udcff", "n" * 200)],
    ],
    ids=["varied", "one", "corrupt", "longer", "long tail", "many groups", "names"],
)
def test_any_survey_can_be_drawn(tmp_path, videos):
    path = tmp_path / "figures" / "histograms.png"

    draw_figure(derive_statistics(videos, FrameRange(shortest=16, longest=300)), path)

    with Image.open(path) as picture:
        picture.load()
        pixels = np.asarray(picture.convert("RGB"))
    assert picture.format == "PNG"
    assert pixels.shape[1] > 1000
    assert (pixels < 128).any()


def test_the_bars_have_the_colours_of_their_groups(tmp_path):
    path = tmp_path / "histograms.png"

    def blue_and_orange(videos):
        draw_figure(derive_statistics(videos, FrameRange()), path)
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB")).reshape(-1, 3)
        colours = ((0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00))
        return [int((pixels == colour).all(axis=1).sum()) for colour in colours]

    fakes = [row(f"fake/{number}") for number in range(30)]
    blue, orange = blue_and_orange([*fakes, row("real/a")])
    assert blue > 5 * orange > 0
    assert blue_and_orange(fakes)[1] == 0
    blue, orange = blue_and_orange([*fakes, *(row(f"real/{number}") for number in range(30))])
    assert blue == pytest.approx(orange, rel=0.1)  # on top of each other, not before
