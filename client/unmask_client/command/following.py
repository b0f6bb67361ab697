"""Watching several videos at once."""

import asyncio
from collections.abc import Sequence

from unmask_client.async_client import AsyncClient
from unmask_client.command.exit_codes import ExitCode, exit_code_of, joined
from unmask_client.command.output import Output
from unmask_client.command.progress import bars, name_beside_bar
from unmask_client.command.verdicts import describe
from unmask_client.errors import UnmaskClientError, WaitTimedOut
from unmask_client.models import Video


def follow(
    video_ids: Sequence[str], *, url: str | None, timeout_s: float | None, output: Output
) -> ExitCode:
    """Wait until all videos have ended, and show what came out, in the order of the ids."""
    ends = asyncio.run(_follow_all(video_ids, url=url, timeout_s=timeout_s, output=output))
    codes = []
    for video_id, end in zip(video_ids, ends, strict=True):
        if isinstance(end, Video):
            output.show(end.as_json(), describe(end))
            codes.append(exit_code_of(end))
        else:
            output.report(end, id=video_id)
            is_late = isinstance(end, WaitTimedOut)
            codes.append(ExitCode.UNFINISHED if is_late else ExitCode.ERROR)
    return joined(codes)


async def _follow_all(
    video_ids: Sequence[str], *, url: str | None, timeout_s: float | None, output: Output
) -> list[Video | UnmaskClientError]:
    with bars(output) as progress:
        async with AsyncClient(url) as client:

            async def follow_one(video_id: str) -> Video | UnmaskClientError:
                task = progress.add_task(video_id, total=1.0, note="")

                def tell(video: Video) -> None:
                    progress.update(
                        task,
                        description=name_beside_bar(video.source.filename, output),
                        completed=video.progress,
                        note=video.status.value,
                    )

                try:
                    return await client.wait(video_id, timeout_s=timeout_s, on_progress=tell)
                except UnmaskClientError as error:
                    progress.update(task, note="error")
                    return error  # the others go on

            return await asyncio.gather(*map(follow_one, video_ids))
