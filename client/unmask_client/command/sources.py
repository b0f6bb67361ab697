"""What a command line names: files, folders, addresses, and lists of them on standard input."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, TextIO

import typer

from unmask_client.operations import is_url

FROM_STDIN: Final = "-"
# What the server takes; files that are named one by one are sent whatever they are called.
_SUFFIXES: Final = frozenset(
    {".3gp", ".asf", ".avi", ".flv", ".gif", ".m4v", ".mkv", ".mov", ".mp4"}
    | {".mpeg", ".mpg", ".ogv", ".ts", ".webm", ".wmv"}
)


def expanded(named: Sequence[str], stdin: TextIO) -> list[str]:
    """All files and addresses that are named, each once, in the order of the command line.

    Args:
        named: Files, folders (for the videos in and below them), addresses, or `-`.
        stdin: Read for `-`: one of these per line.

    Raises:
        typer.BadParameter: Something is not there.
    """
    found = dict.fromkeys(_all_of(with_lists(named, stdin)))
    if not found:
        raise typer.BadParameter("Standard input names no video.")
    return list(found)


def files_of(named: Sequence[Path]) -> list[Path]:
    """All files that are named, with the videos of folders.

    Raises:
        typer.BadParameter: Something is not there.
    """
    return [Path(one) for one in dict.fromkeys(_all_of(map(str, named)))]


def with_lists(named: Iterable[str], stdin: TextIO) -> Iterator[str]:
    """What is named, with the lines of standard input in the place of `-`."""
    for one in named:
        if one == FROM_STDIN:
            yield from (line for line in map(_without_end, stdin) if line)
        else:
            yield one


def _without_end(line: str) -> str:
    return line.rstrip("\r\n")


def _all_of(named: Iterable[str]) -> Iterator[str]:
    for one in named:
        if is_url(one) or Path(one).is_file():
            yield one
        elif Path(one).is_dir():
            videos = [str(file) for file in _videos_below(Path(one))]
            if not videos:
                raise typer.BadParameter(f"The folder {one!r} has no video in it.")
            yield from videos
        else:
            raise typer.BadParameter(f"{one!r} is neither a file, a folder nor an http(s) address.")


def _videos_below(folder: Path) -> list[Path]:
    return sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in _SUFFIXES
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
        and file.is_file()
    )
