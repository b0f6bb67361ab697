"""Splits: who is kept apart from whom, and what the leakage report says of it."""

import random
from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from unmask_trainer.datasets.errors import InvalidDataset
from unmask_trainer.datasets.leakage import find_leakage
from unmask_trainer.datasets.protocols import Assignment, Protocol, Unassigned, assign
from unmask_trainer.datasets.records import Part, VideoRecord
from unmask_trainer.datasets.splits import Shares


def real(person, number, **changes):
    clip = f"{person}_{number:04d}"
    fields = {"identities": (person,), "sources": (clip,), "label": 0, "dataset": "d"}
    return VideoRecord(path=f"real/{clip}.mp4", **(fields | changes))


def fake(target, source, number, **changes):
    fields = {
        "identities": (target, source),
        "sources": (f"{target}_{number:04d}",),
        "label": 1,
        "method": "swap",
        "dataset": "d",
    }
    return VideoRecord(path=f"fake/{target}_{source}_{number:04d}.mp4", **(fields | changes))


def youtube(number):
    name = f"youtube/{number:05d}"
    return VideoRecord(
        path=f"YouTube-real/{number:05d}.mp4",
        label=0,
        identities=(name,),
        sources=(name,),
        reserved=True,
        dataset="d",
    )


def celeb_df(actors=24, clips=3):
    """Every actor swapped with every other one, as in Celeb-DF."""
    people = [f"id{number}" for number in range(actors)]
    return [
        *(real(person, clip) for person in people for clip in range(clips)),
        *(fake(a, b, clip) for a in people for b in people if a != b for clip in range(clips)),
        *(youtube(number) for number in range(5)),
    ]


def pairs(count):
    """Pairs that are swapped with each other only, as in FaceForensics++."""
    return [
        record
        for number in range(count)
        for a, b in [(f"{number}a", f"{number}b")]
        for record in (real(a, 0), real(b, 0), fake(a, b, 0), fake(b, a, 0))
    ]


def people_of(records, assignment, part):
    return {
        person
        for record in records
        if assignment.parts.get(record.id) is part
        for person in record.identities
    }


# Small worlds of people, clips and forgeries, some of which do not say who is in them. The pairs
# beside them see to it that no part lacks a class.
worlds = st.builds(
    lambda reals, fakes: list({one.id: one for one in [*reals, *fakes, *pairs(40)]}.values()),
    st.lists(
        st.builds(
            lambda person, clip, known: real(person, clip, **({} if known else {"identities": ()})),
            st.integers(0, 15).map("id{}".format),
            st.integers(0, 2),
            st.booleans(),
        ),
        max_size=60,
    ),
    st.lists(
        st.builds(
            lambda a, b, clip, known, shared: fake(
                a,
                b,
                clip,
                **({} if known else {"identities": ()}),
                **({"sources": (f"{a}_{clip:04d}", f"{b}_0000")} if shared else {}),
            ),
            st.integers(0, 15).map("id{}".format),
            st.integers(0, 15).map("id{}".format),
            st.integers(0, 2),
            st.booleans(),
            st.booleans(),
        ),
        max_size=60,
    ),
)


@settings(max_examples=40, deadline=None)
@given(worlds, st.integers(0, 3))
@example(pairs(12), 0)
def test_nobody_and_no_clip_is_in_two_parts_of_an_identity_split(records, seed):
    assignment = assign(records, Protocol.IDENTITY, seed=seed)

    leakage = find_leakage(records, assignment, {})
    assert len(leakage.overlaps) == 3
    for overlap in leakage.overlaps:
        assert (overlap.identities.count, overlap.sources.count) == (0, 0)


@settings(max_examples=40, deadline=None)
@given(worlds, st.sampled_from(Protocol), st.randoms(use_true_random=False))
@example(pairs(12), Protocol.IDENTITY, random.Random(0))
def test_splits_count_every_video_once_and_do_not_depend_on_the_order(records, protocol, rng):
    if protocol is Protocol.OFFICIAL:
        parts = [None, Part.TRAIN, Part.TEST]
        records = [
            VideoRecord(**{**vars(record), "official": parts[number % 3]})
            for number, record in enumerate(records)
        ]
    assignment = assign(records, protocol)
    shuffled = list(records)
    rng.shuffle(shuffled)

    again = assign(shuffled, protocol)

    assert again == assignment
    assert again.sha256 == assignment.sha256
    assert assignment.parts.keys() | assignment.unassigned.keys() == {one.id for one in records}
    assert not assignment.parts.keys() & assignment.unassigned.keys()


def test_no_actor_of_a_test_forgery_occurs_in_training():
    records = celeb_df()

    assignment = assign(records, Protocol.IDENTITY)

    sides = {
        part: people_of(records, assignment, part) for part in (Part.TRAIN, Part.VAL, Part.TEST)
    }
    assert not sides[Part.TRAIN] & sides[Part.TEST]
    assert not sides[Part.TRAIN] & sides[Part.VAL]
    assert not sides[Part.VAL] & sides[Part.TEST]
    assert sum(map(len, sides.values())) == 24
    dropped = Counter(assignment.unassigned.values())
    crossing = sum(
        len({side for side, people in sides.items() if person in people or other in people}) > 1
        for one in records
        if one.label == 1
        for person, other in [one.identities]
    )
    assert dropped == {Unassigned.CROSS_PAIR: crossing}


def test_pairs_that_nothing_joins_with_others_lose_no_video():
    assignment = assign(pairs(40), Protocol.IDENTITY)

    assert not assignment.unassigned
    assert len(assignment.parts) == 160


def test_an_identity_split_keeps_everybody_in_place_when_others_join():
    before = assign(pairs(60), Protocol.IDENTITY)

    after = assign([*pairs(60), *celeb_df(6)], Protocol.IDENTITY)

    assert before.attempt == after.attempt == 0
    assert before.parts.items() <= after.parts.items()


def renamed(record):
    """The same video of other people and clips."""
    return VideoRecord(
        **{
            **vars(record),
            "path": f"other/{record.path}",
            "identities": tuple(f"other {name}" for name in record.identities),
            "sources": tuple(f"other {name}" for name in record.sources),
        }
    )


@settings(max_examples=40, deadline=None)
@given(worlds, worlds, st.sampled_from([Protocol.RANDOM, Protocol.IDENTITY]))
@example(celeb_df(), pairs(12), Protocol.IDENTITY)
def test_nobody_moves_when_videos_of_others_are_added(records, others, protocol):
    before = assign(records, protocol)
    after = assign([*records, *map(renamed, others)], protocol)

    assert before.attempt == after.attempt == 0
    assert before.parts.items() <= after.parts.items()
    assert before.unassigned.items() <= after.unassigned.items()


def test_a_forgery_of_unknown_people_stays_with_the_person_whose_clip_it_is():
    unnamed = [fake(f"{n}a", f"{n}b", 0, identities=()) for n in range(30)]
    records = [one for one in pairs(30) if one.label == 0] + unnamed

    assignment = assign(records, Protocol.IDENTITY)

    for record in unnamed:
        original = record.sources[0]
        assert assignment.parts[record.id] is assignment.parts[f"real/{original}"]


def test_where_people_of_two_parts_share_a_clip_only_one_part_keeps_it():
    scene = [real(f"p{n}", 0, sources=("scene",)) for n in range(12)]

    assignment = assign([*pairs(30), *scene], Protocol.IDENTITY)

    for first in range(12):
        again = assign([*scene[first:], *scene[:first], *pairs(30)], Protocol.IDENTITY)
        assert again == assignment
    assert len({assignment.parts[one.id] for one in scene if one.id in assignment.parts}) == 1
    assert Unassigned.SHARED_CLIP in assignment.unassigned.values()


@pytest.mark.parametrize("protocol", [Protocol.RANDOM, Protocol.IDENTITY])
def test_youtube_videos_are_kept_out_of_training(protocol):
    assignment = assign(celeb_df(), protocol)

    checks = {name for name, part in assignment.parts.items() if part is Part.FALSE_POSITIVE_CHECK}
    assert checks == {f"YouTube-real/{number:05d}" for number in range(5)}


def test_a_random_split_has_eighty_percent_for_training_and_validation():
    records = [one for one in celeb_df(40, 4) if not one.reserved]

    assignment = assign(records, Protocol.RANDOM)

    counts = Counter(assignment.parts.values())
    assert counts[Part.TEST] / len(records) == pytest.approx(0.2, abs=0.02)
    assert counts[Part.VAL] / len(records) == pytest.approx(0.1, abs=0.02)
    assert not assignment.unassigned


def test_a_random_split_is_marked_as_leaking_and_its_leaks_are_counted():
    records = celeb_df()
    assignment = assign(records, Protocol.RANDOM)

    leakage = find_leakage(records, assignment, {})

    (train_test,) = (
        overlap for overlap in leakage.overlaps if overlap.parts == (Part.TRAIN, Part.TEST)
    )
    assert train_test.identities.count == 24
    assert len(train_test.identities.examples) == 10
    assert train_test.sources.count > 50
    assert leakage.document()["leaks_identities_by_design"] is True
    assert leakage.text().startswith("THIS SPLIT LEAKS IDENTITIES")
    assert "train and test share 24 identities (id0, id1, id10, ...)" in leakage.text()


def test_the_report_names_files_of_the_same_bytes_and_unknown_people():
    records = [*pairs(12), fake("0a", "x", 5, identities=(), sources=("nobody",))]
    assignment = assign(records, Protocol.IDENTITY)
    by_part = {part: name for name, part in sorted(assignment.parts.items())}
    contents = {by_part[Part.TRAIN]: "same", by_part[Part.TEST]: "same", by_part[Part.VAL]: "other"}

    leakage = find_leakage(records, assignment, contents)

    counts = {overlap.parts: overlap.contents for overlap in leakage.overlaps}
    assert counts[Part.TRAIN, Part.TEST].count == 1
    assert counts[Part.TRAIN, Part.TEST].examples == (
        f"{by_part[Part.TRAIN]} = {by_part[Part.TEST]}",
    )
    assert counts[Part.TRAIN, Part.VAL].count == 0
    assert leakage.unknown == 1
    assert "who is in 1 videos" in leakage.text()
    assert "LEAKS" not in leakage.text()


def official(records, parts):
    """The records with parts by turns."""
    return [
        VideoRecord(**{**vars(one), "official": parts[number // 4 % len(parts)]})
        for number, one in enumerate(records)
    ]


def test_official_lists_are_followed_to_the_letter():
    records = official(pairs(40), [Part.TRAIN, Part.VAL, Part.TEST, None])

    assignment = assign(records, Protocol.OFFICIAL)

    for record in records:
        if record.official is None:
            assert assignment.unassigned[record.id] is Unassigned.NOT_LISTED
        else:
            assert assignment.parts[record.id] is record.official


def test_without_an_official_validation_list_some_clips_of_training_are_held_out():
    records = official(pairs(200), [Part.TRAIN, Part.TRAIN, Part.TEST])

    assignment = assign(records, Protocol.OFFICIAL)

    by_part = Counter(assignment.parts.values())
    listed = Counter(record.official for record in records)
    assert by_part[Part.TEST] == listed[Part.TEST]
    assert by_part[Part.VAL] / listed[Part.TRAIN] == pytest.approx(0.1, abs=0.04)
    overlaps = {one.parts: one for one in find_leakage(records, assignment, {}).overlaps}
    assert overlaps[Part.TRAIN, Part.VAL].sources.count == 0


def test_official_lists_without_test_videos_are_refused():
    with pytest.raises(InvalidDataset, match="no real videos for test, no fake videos for test"):
        assign(official(pairs(20), [Part.TRAIN]), Protocol.OFFICIAL)


def test_too_few_people_are_refused_with_what_is_missing():
    with pytest.raises(InvalidDataset, match=r"8 videos of 4 people .* identity: no"):
        assign(pairs(2), Protocol.IDENTITY)


def test_another_hash_is_tried_where_a_part_would_lack_a_class():
    assignments = [assign(pairs(4), Protocol.IDENTITY, seed=seed) for seed in range(12)]

    assert any(assignment.attempt for assignment in assignments)
    for assignment in assignments:
        assert set(assignment.parts.values()) == {Part.TRAIN, Part.VAL, Part.TEST}


def test_another_seed_divides_otherwise_and_shares_can_be_chosen():
    records = celeb_df()

    first, second = (assign(records, Protocol.IDENTITY, seed=seed) for seed in (0, 1))

    assert first.sha256 != second.sha256
    half = assign(records, Protocol.RANDOM, shares=Shares(val=0.0, test=0.5))
    counts = Counter(half.parts.values())
    assert Part.VAL not in counts
    assert counts[Part.TEST] / counts[Part.TRAIN] == pytest.approx(1, abs=0.15)


def test_the_digest_is_that_of_the_sorted_assignment():
    assignment = Assignment(
        protocol=Protocol.RANDOM,
        seed=0,
        shares=Shares(),
        attempt=0,
        parts={"b": Part.TEST, "a": Part.TRAIN},
        unassigned={},
    )

    # printf 'a\ttrain\nb\ttest\n' | sha256sum
    assert assignment.sha256 == ("07c52948af8d69bc872d722873d4eb77765d5cb8f8663af702f399661417b514")
