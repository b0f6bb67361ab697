"""`unmask analyze`: judge files here, without a server."""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from unmask_client.command.arguments import AsJson, Files, FullFrame
from unmask_client.command.batch_display import BatchDisplay, batch_display
from unmask_client.command.exit_codes import ExitCode, exit_code_of, joined
from unmask_client.command.output import Output, errors_reported
from unmask_client.command.sources import files_of
from unmask_client.command.verdicts import describe
from unmask_client.errors import InvalidArgument, UnmaskClientError
from unmask_client.models import AnalysisOptions

if TYPE_CHECKING:
    from unmask_client.in_process.analyzer import FileAnalyzer

_NEEDED: Final = ("unmask_inference", "unmask_preprocessor", "torch", "cv2", "av")


class NotInstalled(UnmaskClientError):
    """A part of Unmask that the command needs is not installed beside the client."""

    code = "not_installed"
    title = "A part of Unmask is not installed here"

    def __init__(self, detail: str, *, extra: str) -> None:
        super().__init__(detail)
        self.action = (
            f"Install it with `pip install 'unmask-client[{extra}]'`, or run `make install` in "
            "Unmask's repository."
        )


def analyze(
    files: Files,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            metavar="DIR",
            help="Folder of a checkpoint; otherwise UNMASK_MODEL_DIR, or models/default here.",
        ),
    ] = None,
    full_frame: FullFrame = False,
    as_json: AsJson = False,
) -> None:
    """Judge video files on this machine: no server, no upload, nothing is kept.

    Each file is decoded in a sandbox, its faces are followed, and the checkpoint judges them, just
    as the services would do it.

    Exit status: 0 all real, 3 a fake was found, 4 inconclusive, 5 a file could not be analysed.

    Example: unmask analyze clip.mp4 --json | jq .result.verdict
    """
    found = files_of(files)
    output = Output(as_json=as_json)
    options = AnalysisOptions(face_mode="full_frame" if full_frame else "faces")
    with errors_reported(output):
        output.note("Loading the model ...")
        with _load(model) as analyzer, batch_display(output, count=len(found)) as display:
            codes = [_analyze(analyzer, file, options, output, display) for file in found]
    raise typer.Exit(joined(codes))


def _analyze(
    analyzer: "FileAnalyzer",
    file: Path,
    options: AnalysisOptions,
    output: Output,
    display: BatchDisplay,
) -> ExitCode:
    with display.row(str(file)) as row:
        try:
            outcome = analyzer.analyze(file, options, row.move)
        except InvalidArgument as error:  # it went away, say; the others may be there
            row.show_error(error)
            return ExitCode.ERROR
        output.show(outcome.model_dump(mode="json"), describe(outcome))
    return exit_code_of(outcome)


def _load(model: Path | None) -> "FileAnalyzer":
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise NotInstalled(f"`unmask analyze` needs {', '.join(missing)}.", extra="analyze")
    # It imports torch, for which no other command has to wait.
    from unmask_client.in_process.analyzer import FileAnalyzer  # noqa: PLC0415

    return FileAnalyzer.from_environment(model)
