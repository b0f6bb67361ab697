"""Server-sent events, however they are cut into pieces."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from unmask_client.event_stream import EventStream

STREAM = (
    'retry: 2000\n\n: still here\n\nevent: progress\nid: 1\ndata: {"a": 1}\n\n'
    "data:no space\r\ndata: zwölf\r\n\r\nid: 3\n\ndata: unfinished\n"
).encode()


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_events_are_the_same_in_pieces_of_any_size(cuts: list[int]) -> None:
    stream, edges = EventStream(), [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[start:end] for start, end in pairwise(edges)]
    found = [data for piece in pieces for data in stream.feed(piece)]
    assert found == ['{"a": 1}', "no space\nzwölf"]
