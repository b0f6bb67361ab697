"""From an evaluation to the card of the checkpoint, and with it to the registry."""

import json
from dataclasses import replace

import pytest
from checkpoints import DEFAULT_CHECKPOINT, NAME
from evaluations import CARD, assessment, sample

from unmask_shared.model.card import CardDraft
from unmask_shared.model.checkpoint import load_checkpoint, save_checkpoint
from unmask_shared.model_registry import ModelRegistry
from unmask_shared.object_store import LocalObjectStore
from unmask_trainer.__main__ import main
from unmask_trainer.evaluation.errors import InvalidEvaluation
from unmask_trainer.evaluation.for_cards import read_additions
from unmask_trainer.evaluation.outputs import write_outputs
from unmask_trainer.export import export_checkpoint

PICTURES = {
    "figures/evaluation/confusion-0.png",
    "figures/evaluation/heatmaps/01-fake-faces-judged-fake.jpg",
    "figures/evaluation/reliability-0.png",
    "figures/evaluation/robustness-jpeg.png",
    "figures/evaluation/roc.png",
}


@pytest.fixture
def evaluation(tmp_path):
    folder = tmp_path / "evaluation"
    write_outputs(assessment(sample(skill=1.0)), folder, checkpoint=DEFAULT_CHECKPOINT)
    return folder


def test_rows_have_intervals_and_say_what_was_measured(evaluation):
    rows = read_additions(evaluation, CARD).rows

    assert [(row.split, row.level, row.people) for row in rows] == [
        ("faces", "clip", 40),
        ("faces", "video", 40),
        ("light: bright", "video", 20),
        ("light: dark", "video", 20),
    ]
    assert all(row.auc_interval.low < row.auc < row.auc_interval.high for row in rows)
    assert sum(row.real for row in rows[2:]) == rows[1].real
    assert rows[2].note == "Videos of faces."
    assert rows[0].note == "Parts: test. Careful with faces."


def test_the_figures_and_the_heatmaps_come_along(evaluation):
    figures = read_additions(evaluation, CARD).figures

    assert set(figures) == PICTURES
    assert all(path.is_file() for path in figures.values())


def test_published_with_its_evaluation_a_checkpoint_has_all_figures_and_rows(
    evaluation, tmp_path, monkeypatch, capsys
):
    monkeypatch.delenv("UNMASK_OBJECT_STORE", raising=False)
    monkeypatch.setenv("UNMASK_DATA_DIR", str(tmp_path / "data"))
    command = ["publish", str(DEFAULT_CHECKPOINT), "--version", "9.9"]
    command += ["--evaluation", str(evaluation)]

    assert main(command) == 0
    assert main(command) == 0, "the same again is no error"
    assert main(["models", "show", NAME, "9.9"]) == 0

    assert "faces, by video: AUC" in capsys.readouterr().out
    fetched = tmp_path / "fetched"
    ModelRegistry(LocalObjectStore(tmp_path / "data" / "store")).fetch(NAME, "9.9", fetched)
    card = load_checkpoint(fetched).card
    assert set(card.figures) == {*CARD.figures, *PICTURES}
    assert all((fetched / name).stat().st_size > 100 for name in card.figures)
    assert card.evaluations[: len(CARD.evaluations)] == CARD.evaluations
    assert card.evaluations[-1].auc_interval is not None
    assert card.weights_sha256 == CARD.weights_sha256


def test_exported_again_the_card_does_not_say_things_twice(evaluation, tmp_path):
    added = read_additions(evaluation, CARD)
    first, again = tmp_path / "first", tmp_path / "again"

    once = export_checkpoint(DEFAULT_CHECKPOINT, first, further=added.rows, figures=added.figures)
    twice = export_checkpoint(first, again, further=added.rows, figures=added.figures)

    assert twice == once
    assert len(twice.figures) == len(set(twice.figures))


def test_pictures_of_the_checkpoint_that_is_replaced_do_not_stay(evaluation, tmp_path):
    added = read_additions(evaluation, CARD)
    target = tmp_path / "target"
    before = export_checkpoint(DEFAULT_CHECKPOINT, target, figures=added.figures)
    (target / "notes.txt").write_text("kept")
    assert set(CARD.figures) < set(before.figures)

    export_checkpoint(DEFAULT_CHECKPOINT, target)

    left = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
    assert left == {"card.json", "weights.safetensors", "notes.txt", *CARD.figures}


def test_a_test_that_is_evaluated_again_stands_on_the_card_once_by_the_name_that_others_look_for(
    evaluation, tmp_path
):
    added = read_additions(evaluation, CARD).rows[:2]
    bare = {"people": None, "auc_interval": None, "accuracy_interval": None, "note": "Unseen."}
    trained = [row.model_copy(update=bare | {"split": "test"}) for row in added]
    other = trained[1].model_copy(update={"split": "test other", "true_fake": 1})
    val = trained[1].model_copy(update={"split": "val"})
    source = tmp_path / "source"
    checkpoint = load_checkpoint(DEFAULT_CHECKPOINT)
    content = {name: getattr(CARD, name) for name in CardDraft.model_fields}
    draft = CardDraft(**content | {"evaluations": (val, *trained, other), "figures": ()})
    save_checkpoint(source, model=checkpoint.model, draft=draft)

    rows = export_checkpoint(source, tmp_path / "exported", further=added).evaluations

    assert [(row.split, row.level) for row in rows] == [
        ("val", "video"),
        ("test", "clip"),
        ("test", "video"),
        ("test other", "video"),
    ]
    assert rows[2].auc_interval == added[1].auc_interval
    assert rows[2].note == "Unseen."


def test_the_caution_about_a_folder_stands_beside_the_data_set_that_its_table_names(tmp_path):
    found = assessment(sample(skill=1.0))
    info = found.document.datasets[0]
    assert "faces" in {part.name for part in found.document.slices}
    moved = info.model_copy(update={"name": "prepared", "parts_of": ("faces",)})
    document = found.document.model_copy(update={"datasets": (moved,)})
    write_outputs(replace(found, document=document), tmp_path, checkpoint=DEFAULT_CHECKPOINT)

    assert read_additions(tmp_path, CARD).rows[0].note == "Parts: test. Careful with faces."


@pytest.mark.parametrize(
    "change", [{"weights_sha256": "0" * 64}, {"temperature": 2.0}, {"thresholds": (0.1, 0.9)}]
)
def test_an_evaluation_of_something_else_is_refused(evaluation, change):
    if "thresholds" in change:
        low, high = change["thresholds"]
        change = {
            "thresholds": CARD.thresholds.__class__(real_below=low, fake_above=high),
        }

    with pytest.raises(InvalidEvaluation, match="Evaluate this checkpoint"):
        read_additions(evaluation, CARD.model_copy(update=change))


def test_what_is_no_evaluation_is_explained(evaluation, tmp_path):
    with pytest.raises(InvalidEvaluation, match="give the folder that evaluate --out wrote"):
        read_additions(tmp_path, CARD)
    (evaluation / "heatmaps" / "01.jpg").unlink()
    with pytest.raises(InvalidEvaluation, match=r"lacks .*01\.jpg"):
        read_additions(evaluation, CARD)
    (evaluation / "metrics.json").write_text(json.dumps({"schema_version": 1}))
    with pytest.raises(InvalidEvaluation, match="not an evaluation"):
        read_additions(evaluation, CARD)
