"""Answers those who ask again and again what became of a video, before their requests are routed.

Finding the route, its dependencies and its parameters takes longer than such an answer. Whatever is
not this very case goes on to the route, which answers in the same words.
"""

from types import SimpleNamespace
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from unmask_gateway.routes.polling import polling_headers
from unmask_gateway.video_answers import VideoAnswers

_PREFIX: Final = "/videos/"
# As metrics name it.
_ROUTE: Final = SimpleNamespace(path="/videos/{video_id}")


class QuickAnswers:
    """Answers `GET /videos/{video_id}` with what was answered before, if it still holds.

    Only where no key is asked for: keys are checked and counted by the route.
    """

    def __init__(self, app: ASGIApp, *, answers: VideoAnswers) -> None:
        self._app = app
        self._answers = answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let somebody else do it."""
        answer = None
        if scope["type"] == "http" and scope["method"] == "GET":
            path: str = scope["path"]
            if path.startswith(_PREFIX):
                answer = await self._answers.kept(path.removeprefix(_PREFIX))
        if answer is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = _ROUTE
        headers = [
            (b"content-length", str(len(answer.body)).encode()),
            (b"content-type", b"application/json"),
            *(
                (name.lower().encode(), value.encode())
                for name, value in polling_headers(again=not answer.is_final).items()
            ),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})
