"""What the API's description says beyond single routes: how one operation leads to others.

Links are those that can always be followed: no parameter of theirs is null or missing.
"""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute

from unmask_gateway.problems import add_responses, document_errors
from unmask_shared.errors import DamagedDocument

_ID: Final = {"video_id": "$response.body#/id"}
_OF_A_NEW_VIDEO: Final[dict[str, dict[str, str]]] = {
    "get_video": _ID,
    "follow_video": _ID,
    "cancel_video": _ID,
    "delete_video": _ID,
    "get_source": _ID,
    "head_source": _ID,
    "get_playback": _ID,
    "get_webhooks": _ID,
    "analyse_again": _ID,
}
_BATCH_ID: Final = {"batch_id": "$response.body#/id"}
_OF_A_BATCH: Final[dict[str, dict[str, str]]] = {
    "get_batch": _BATCH_ID,
    "cancel_batch": _BATCH_ID,
    "delete_batch": _BATCH_ID,
}

# By operation and status: the operations that come next, and what their parameters are.
_LINKS: Final[dict[tuple[str, str], dict[str, dict[str, str]]]] = {
    ("submit_video", "202"): _OF_A_NEW_VIDEO,
    ("analyse_again", "202"): _OF_A_NEW_VIDEO,
    ("submit_batch", "202"): _OF_A_BATCH,
    ("get_batch", "200"): _OF_A_BATCH,
    ("begin_upload", "201"): {
        "get_upload": {"upload_id": "$response.body#/id"},
        "delete_upload": {"upload_id": "$response.body#/id"},
    },
    ("create_key", "201"): {"revoke_key": {"key_id": "$response.body#/id"}},
}


def operation_id(route: APIRoute) -> str:
    """Name an operation as its function is named, which links and generated clients go by."""
    return route.name


def describe_operations(app: FastAPI) -> None:
    """Complete the description: links, and parameters that cannot be null where they are text.

    Args:
        app: The application, with all routes.
    """
    describe = app.openapi
    unreadable = document_errors(DamagedDocument)

    def completed() -> dict[str, Any]:
        description = describe()
        for path, methods in description["paths"].items():
            for operation in methods.values():
                if "{video_id}" in path:
                    add_responses(operation["responses"], unreadable)
                for parameter in operation.get("parameters", ()):
                    _take_null_away(parameter["schema"])
                for status, response in operation["responses"].items():
                    links = _LINKS.get((operation["operationId"], status), {})
                    for target, parameters in links.items():
                        response.setdefault("links", {})[target] = {
                            "operationId": target,
                            "parameters": parameters,
                        }
        return description

    app.openapi = completed  # type: ignore[method-assign] # FastAPI's documented way


def _take_null_away(schema: dict[str, Any]) -> None:
    """A header or a query has no null: a parameter is left out."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:
        del schema["anyOf"]
        schema.update(kinds[0])
