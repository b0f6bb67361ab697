"""The errors that users meet: each can be told apart, understood and acted on."""

import re
from collections.abc import Iterator

import pytest

from unmask_shared.errors import DependencyUnavailable, UnmaskError
from unmask_shared.videos import Failure


def tree(root: type[UnmaskError] = UnmaskError) -> Iterator[type[UnmaskError]]:
    yield root
    for child in root.__subclasses__():
        if child.__module__ == UnmaskError.__module__:  # services may have some of their own
            yield from tree(child)


ALL = list(tree())
each_error = pytest.mark.parametrize("error", ALL, ids=lambda error: error.__name__)


def test_codes_are_unique() -> None:
    codes = [error.code for error in ALL]
    assert len(set(codes)) == len(codes)


@each_error
def test_each_error_says_what_it_is_and_what_to_do(error: type[UnmaskError]) -> None:
    own = vars(error)
    assert {"code", "title"} <= own.keys(), "inherited: nobody could tell the two apart"
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", error.code)
    assert error.title[0].isupper()
    assert not error.title.endswith(".")
    assert error.action.endswith(".")
    assert error.__doc__


@each_error
def test_the_status_fits_whether_trying_again_helps(error: type[UnmaskError]) -> None:
    assert 400 <= error.http_status < 600
    if error.http_status == 503:
        assert error.retryable
    if error.http_status in {404, 405, 413, 415, 422, 500}:
        assert not error.retryable
    if issubclass(error, DependencyUnavailable):
        assert (error.http_status, error.retryable) == (503, True)


@each_error
def test_the_detail_is_what_was_said_or_else_the_title(error: type[UnmaskError]) -> None:
    assert error("The clip has 0 frames.").detail == "The clip has 0 frames."
    assert error().detail == error.title


@each_error
def test_a_stored_failure_keeps_all_that_an_error_says(error: type[UnmaskError]) -> None:
    failure = Failure.model_validate_json(Failure.of(error("It was 7.")).model_dump_json())
    assert failure == Failure(
        code=error.code,
        title=error.title,
        detail="It was 7.",
        action=error.action,
        retryable=error.retryable,
    )
