"""The card: what it demands, and what older cards may leave out."""

import json
from pathlib import Path

import pytest

from unmask_shared.errors import InvalidCheckpoint
from unmask_shared.model.card_texts import INTENDED_USE
from unmask_shared.model.checkpoint import load_card

WORDS = ("intended_use", "out_of_scope_uses", "evaluation_data", "ethical_considerations")


def edited(folder: Path, change) -> Path:
    path = folder / "card.json"
    card = json.loads(path.read_text())
    change(card)
    path.write_text(json.dumps(card))
    return folder


ROW = {
    "split": "test", "level": "video", "people": 2, "real": 1, "fake": 1, "accuracy": 0.5,
    "auc": None, "true_real": 1, "false_fake": 0, "false_real": 1, "true_fake": 0,
    "decided_share": 1.0, "decided_accuracy": 0.5,
}  # fmt: skip


def test_a_card_from_before_these_words_and_intervals_is_still_one(checkpoint_folder):
    def older(card):
        for name in WORDS:
            del card[name]
        card["evaluations"] = [ROW]

    card = load_card(edited(checkpoint_folder, older))

    assert card.intended_use == INTENDED_USE
    assert all(getattr(card, name) for name in WORDS)
    assert card.evaluations[0].accuracy_interval is None


def test_a_card_keeps_its_own_words_and_intervals(checkpoint_folder):
    def with_words(card):
        card["ethical_considerations"] = ["It was tried on two people."]
        card["evaluations"] = [{**ROW, "accuracy_interval": {"low": 0.1, "high": 0.9}}]

    card = load_card(edited(checkpoint_folder, with_words))

    assert card.ethical_considerations == ("It was tried on two people.",)
    assert card.evaluations[0].accuracy_interval.high == 0.9


@pytest.mark.parametrize("interval", [{"low": 0.9, "high": 0.1}, {"low": -0.1, "high": 1}])
def test_an_interval_that_cannot_be_is_refused(checkpoint_folder, interval):
    def with_interval(card):
        card["evaluations"] = [{**ROW, "accuracy_interval": interval}]

    with pytest.raises(InvalidCheckpoint, match="accuracy_interval"):
        load_card(edited(checkpoint_folder, with_interval))
