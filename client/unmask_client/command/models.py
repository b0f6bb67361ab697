"""`unmask models`: which models there are, and which one judges."""

import json
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from unmask_client.admin_models import ActiveModel, Evaluation, ModelDetails, ModelVersion
from unmask_client.client import Client
from unmask_client.command.arguments import AsJson, Url
from unmask_client.command.output import Output, errors_reported
from unmask_client.models import ModelRef

FullFrame = Annotated[
    bool, typer.Option("--full-frame", help="The model for whole pictures, not the one for faces.")
]
Model = Annotated[str, typer.Argument(metavar="NAME/VERSION", help="As `unmask models` shows it.")]


def list_models(context: typer.Context, url: Url = None, as_json: AsJson = False) -> None:
    """List the models of a server, with how well each tells real from fake.

    Without a further command, this is what `unmask models` does.
    """
    if context.invoked_subcommand is not None:
        return
    output = Output(as_json=as_json)
    with errors_reported(output), Client(url) as client:
        models = client.models()
    if as_json:
        for model in models:
            output.show(model.model_dump(mode="json"), "")
    else:
        output.print(_table(models))


def show(model: Model, url: Url = None, as_json: AsJson = False) -> None:
    """Show what is known of a model: thresholds, measurements, limits, licence.

    With --json, the whole card.
    """
    output = Output(as_json=as_json)
    name, version = _parts(model)
    with errors_reported(output), Client(url) as client:
        details = client.model(name, version)
        output.show(details.model_dump(mode="json"), _in_words(details))


def activate(model: Model, url: Url = None, as_json: AsJson = False) -> None:
    """Let a model judge the videos that are sent from now on; needs the scope `admin`.

    Example: unmask models activate resnet-lstm/0.3.0
    """
    output = Output(as_json=as_json)
    name, version = _parts(model)
    with errors_reported(output), Client(url) as client:
        _show_active(client.activate(name, version), output)


def rollback(full_frame: FullFrame = False, url: Url = None, as_json: AsJson = False) -> None:
    """Go back to the model that judged before; needs the scope `admin`."""
    output = Output(as_json=as_json)
    with errors_reported(output), Client(url) as client:
        active = client.undo_activation("full_frame" if full_frame else "faces")
        _show_active(active, output)


def make_models_app() -> typer.Typer:
    """Put the commands together."""
    app = typer.Typer(help="List, show and activate the models of a server.")
    app.callback(invoke_without_command=True)(list_models)
    app.command("show")(show)
    app.command("activate")(activate)
    app.command("rollback")(rollback)
    return app


def _parts(model: str) -> tuple[str, str]:
    name, slash, version = model.partition("/")
    if not (name and slash and version) or "/" in version:
        raise typer.BadParameter(f"{model!r} is not NAME/VERSION, such as resnet-lstm/0.2.0.")
    return name, version


def _show_active(active: ActiveModel, output: Output) -> None:
    judging: ModelRef | None = active.model
    text = f"{judging} judges now" if judging else "no worker has told yet which model judges"
    output.show(active.model_dump(mode="json"), text)


def _table(models: tuple[ModelVersion, ...]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("model", "", "published", "AUC on test videos", "problem"):
        table.add_column(title)
    for model in models:
        marks = [name for name in ("active", "built_in") if getattr(model, name)]
        table.add_row(
            str(model.ref),
            Text(", ".join(marks).replace("_", "-"), style="green" if model.active else ""),
            model.published_at.strftime("%Y-%m-%d") if model.published_at else "",
            _auc(model),
            Text(model.problem.detail, style="red") if model.problem else "",
        )
    return table


def _auc(model: ModelVersion) -> str:
    evaluations = model.summary.evaluations if model.summary else ()
    return next((_figure(one) for one in evaluations if one.split == "test"), "")


def _figure(evaluation: Evaluation) -> str:
    if evaluation.auc is None:
        return ""
    bounds = evaluation.auc_interval
    spread = f" ({bounds.low:.2f} to {bounds.high:.2f})" if bounds else ""
    return f"{evaluation.auc:.2f}{spread}"


def _in_words(model: ModelDetails) -> Text:
    text = Text(str(model.ref), style="bold")
    text.append("  active" if model.active else "", style="green")
    summary = model.summary
    if summary is None:
        return text.append(f"\n{json.dumps(model.card, indent=1)}", style="not bold")
    bounds = summary.thresholds
    lines = [
        f"judges {summary.face_mode.replace('_', ' ')}: real below {bounds.real_below:.2f}, "
        f"fake above {bounds.fake_above:.2f}, inconclusive between",
        *(f"AUC on {one.split}: {_figure(one)}" for one in summary.evaluations),
        *(f"limit: {limit}" for limit in summary.limits),
        f"licence: {summary.licence}",
    ]
    return text.append("\n  " + "\n  ".join(lines), style="not bold")
