"""`report.html`: one file that opens anywhere, without a network, and says what was found."""

import base64
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from unmask_shared.model.card import ModelCard
from unmask_trainer.evaluation.assessment import Assessment
from unmask_trainer.evaluation.charts import Chart
from unmask_trainer.evaluation.document import (
    EvaluationDocument,
    HeatmapExample,
    Level,
    Slice,
    SliceKind,
)
from unmask_trainer.evaluation.for_cards import CARD_FOLDER
from unmask_trainer.evaluation.heatmaps import ShownHeatmap
from unmask_trainer.evaluation.summary import GAPS
from unmask_trainer.evaluation.wording import (
    METRIC_TEXTS,
    figure_text,
    gap_findings,
    gap_text,
    headline,
    interval_text,
    small_sample,
    source_findings,
)

_MEDIA_TYPES = {".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg"}
_MAIN = ("auc", "balanced_accuracy", "eer", "decided_share", "real_called_fake", "fake_called_real")
_BRIEF = ("auc", "false_negative_rate", "fake_called_real")
_BY_COLUMN = ("auc", "false_positive_rate", "false_negative_rate")

_KINDS = {
    ("fake", True): "Forgeries that were found",
    ("fake", False): "Forgeries that were missed",
    ("real", False): "Real videos that were found to be real",
    ("real", True): "Real videos that were taken for forgeries",
}


def render_report(
    assessment: Assessment, charts: Sequence[Chart], *, checkpoint_folder: Path
) -> str:
    """Render the report.

    Args:
        assessment: What was found.
        charts: Its drawn figures.
        checkpoint_folder: Where the card's own figures lie, the curves of training.

    Returns:
        HTML with everything in it: no script, and nothing that is loaded.
    """
    environment = Environment(
        loader=PackageLoader("unmask_trainer.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["tight"] = _tight
    environment.globals |= {
        "texts": METRIC_TEXTS,
        "figure": figure_text,
        "interval": interval_text,
        "gap": gap_text,
        "headline": headline,
        "gap_findings": gap_findings,
        "small_sample": small_sample,
        "source_findings": source_findings,
    }
    document = assessment.document
    return environment.get_template("report.html.j2").render(
        document=document,
        data_sets=_parts(document, "dataset", "video"),
        clips=_parts(document, "dataset", "clip"),
        methods=_parts(document, "method", "video"),
        pooled=_parts(document, "all", "video"),
        charts=[(chart, _data_uri(chart.path)) for chart in charts],
        training=_training_figures(assessment.card, checkpoint_folder),
        worst=[(item.mistake, _as_uri(item.jpeg, ".jpg")) for item in assessment.worst],
        heatmaps=_heatmap_groups(assessment.heatmaps),
        main_metrics=_MAIN,
        brief_metrics=_BRIEF,
        column_metrics=_BY_COLUMN,
        gap_metrics=GAPS,
    )


def _parts(document: EvaluationDocument, kind: SliceKind, level: Level) -> list[Slice]:
    return [part for part in document.slices if part.kind == kind and part.level == level]


def _heatmap_groups(
    shown: Sequence[ShownHeatmap],
) -> list[tuple[str, list[tuple[HeatmapExample, str]]]]:
    """The examples with their pictures, under the titles of their kinds."""
    groups: dict[str, list[tuple[HeatmapExample, str]]] = {}
    for item in shown:
        called_fake = item.example.fake_probability > 0.5
        title = _KINDS[item.example.label, called_fake]
        groups.setdefault(title, []).append((item.example, _as_uri(item.jpeg, ".jpg")))
    return list(groups.items())


def _tight(text: str) -> str:
    """Keeps a number and its percent sign on one line."""
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


def _training_figures(card: ModelCard, folder: Path) -> list[tuple[str, str]]:
    """Names and contents of the card's curves, as far as they lie inside of its folder."""
    root = folder.resolve()
    # Those of earlier evaluations are not curves, and this report has its own.
    names = [name for name in card.figures if not name.startswith(f"{CARD_FOLDER}/")]
    paths = [(root / name).resolve() for name in names]
    return [
        (path.stem, _data_uri(path))
        for path in paths
        if path.is_relative_to(root) and path.suffix in _MEDIA_TYPES and path.is_file()
    ]


def _data_uri(path: Path) -> str:
    return _as_uri(path.read_bytes(), path.suffix)


def _as_uri(content: bytes, suffix: str) -> str:
    return f"data:{_MEDIA_TYPES[suffix]};base64,{base64.b64encode(content).decode()}"
