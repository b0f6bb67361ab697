"""What schemathesis has to know of this API; loaded by its command as SCHEMATHESIS_HOOKS.

UNMASK_TEST_FILES names a web server with a video, which takes the place of example.com.
"""

import os
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis import Case, CheckContext, HookContext, Response

VIDEO = b"GIF89a" + bytes(range(256)) * 4

# What no schema can say of a request: what is in a file, where a URL leads, what was published or
# sent before, how large an installation lets files be, which cursors were given out.
_OF_MEANING = frozenset(
    {
        "not_a_video",
        "empty_upload",
        "upload_too_large",
        "url_refused",
        "source_url_unreachable",
        "unknown_model",
        "model_refused",
        "idempotency_key_reused",
        "invalid_cursor",
    }
)
_ACCEPTED_AS_BUILT_IN = frozenset({401, 403, 404, 409, 416, 429})

schemathesis.openapi.media_type(
    "video/*", st.one_of(st.just(VIDEO), st.just(VIDEO), st.binary(max_size=64))
)


@schemathesis.check
def requests_of_the_described_form_are_taken(
    ctx: CheckContext, response: Response, case: Case
) -> bool | None:
    """In the place of `positive_data_acceptance`, which goes by the status alone.

    That check takes every 400, 413, 415, 422 and 424 for a schema that says too little. Here these
    may name one of the few things that no schema can say, and nothing else.
    """
    meta = case.meta
    if meta is None or not meta.generation.mode.is_positive:
        return None
    # A fault of the server is the business of another check.
    if not 400 <= response.status_code < 500 or response.status_code in _ACCEPTED_AS_BUILT_IN:
        return None
    if {None, "None"} & set(case.path_parameters.values()):
        return None  # a link that schemathesis made up, from a field that is null as it may be
    if case.method == "HEAD":  # it has no body that names the problem
        raise AssertionError(f"{response.status_code} for a HEAD request as it is described")
    code = response.json()["code"]
    if code not in _OF_MEANING:
        raise AssertionError(f"a request as it is described was refused: {code}")
    return None


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    """Let examples that name example.com lead to a file that is there, and to nobody else."""
    is_positive = case.meta is not None and case.meta.generation.mode.is_positive
    if is_positive and isinstance(case.body, dict) and (nearby := _nearby(case.body)) != case.body:
        case.body = nearby


def _nearby(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _nearby(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_nearby(inner) for inner in value]
    if isinstance(value, str):
        return value.replace("https://example.com", os.environ["UNMASK_TEST_FILES"])
    return value
