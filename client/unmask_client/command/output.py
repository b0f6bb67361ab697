"""What goes to standard output (results) and to standard error (everything else)."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import typer
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.text import Text

from unmask_client.command.exit_codes import ExitCode
from unmask_client.errors import UnmaskClientError
from unmask_client.operations import printable

_PIPE_WIDTH: Final = 4096


class Output:
    """Where a command writes.

    With `--json`, each line of standard output is one JSON document. Notes and progress are for
    people who watch: they go to standard error, and only when that is a terminal.
    """

    def __init__(self, *, as_json: bool) -> None:
        """Write for people, or for programs."""
        self.as_json = as_json
        # What is piped on must not be cut to the width of a terminal.
        out_width = None if sys.stdout.isatty() else _PIPE_WIDTH
        err_width = None if sys.stderr.isatty() else _PIPE_WIDTH
        self._out = Console(soft_wrap=True, highlight=False, width=out_width)
        self.err = Console(stderr=True, soft_wrap=True, highlight=False, width=err_width)
        self._has_bars = False

    @property
    def is_watched(self) -> bool:
        """Whether somebody sees progress."""
        return self.err.is_terminal

    def show(self, document: Mapping[str, Any], text: RenderableType) -> None:
        """Print a result, as one line of JSON or in words."""
        if self.as_json:
            self._print_line(document)
        else:
            self._for_results.print(text)

    def print(self, text: RenderableType) -> None:
        """Print a table or another thing that only people read."""
        self._out.print(text)

    @property
    def can_ask(self) -> bool:
        """Whether somebody could answer a question."""
        return sys.stdin.isatty() and self.is_watched

    def note(self, text: str) -> None:
        """Tell who watches."""
        if self.is_watched:
            self.err.print(f"[dim]{escape(text)}[/dim]")

    def report(self, error: UnmaskClientError, **about: str) -> None:
        """Say what went wrong and what to do; with `--json` also as a document.

        Args:
            error: What went wrong.
            about: Names the thing that it went wrong with, such as `file` or `id`.
        """
        where = "".join(f"{printable(value)}: " for value in about.values())
        self.err.print(f"[bold red]error:[/] {escape(where)}{escape(_sentence(error))}")
        self.err.print(f"  {escape(error.action)}")
        if self.as_json:
            problem = {
                "code": error.code,
                "title": error.title,
                "detail": error.detail,
                "action": error.action,
            }
            self._print_line({**about, "error": problem})

    @contextmanager
    def with_bars(self) -> Iterator[None]:
        """Mark the time while bars are drawn on standard error."""
        self._has_bars = True
        try:
            yield
        finally:
            self._has_bars = False

    @property
    def _for_results(self) -> Console:
        """Where results go: above the bars, if both are on one terminal."""
        return self.err if self._has_bars and self._out.is_terminal else self._out

    def _print_line(self, document: Mapping[str, Any]) -> None:
        line = json.dumps(document, ensure_ascii=False)
        if printable(line) != line:
            line = json.dumps(document)
        if self._for_results is self.err:
            self.err.print(Text(line))
        else:
            typer.echo(line)


@contextmanager
def errors_reported(output: Output) -> Iterator[None]:
    """End the command with a message, not with a traceback, when something goes wrong.

    Raises:
        typer.Exit: With the exit code.
    """
    try:
        yield
    except UnmaskClientError as error:
        output.report(error)
        raise typer.Exit(ExitCode.ERROR) from error
    except KeyboardInterrupt as error:
        output.note("interrupted")
        raise typer.Exit(ExitCode.INTERRUPTED) from error


def _sentence(error: UnmaskClientError) -> str:
    return error.detail if error.detail == error.title else f"{error.title}: {error.detail}"
