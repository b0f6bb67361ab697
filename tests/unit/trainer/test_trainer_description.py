"""The words on a card: said on the command line or in an experiment's file, or true anyway."""

import pytest
from checkpoints import DEFAULT_CHECKPOINT

from unmask_shared.errors import InvalidRequest
from unmask_shared.model.card_texts import ETHICAL_CONSIDERATIONS, INTENDED_USE
from unmask_shared.model.checkpoint import load_card
from unmask_trainer.__main__ import main
from unmask_trainer.configuration import read_experiment


def exported(tmp_path, *words):
    command = ["export", "--checkpoint", str(DEFAULT_CHECKPOINT), "--to", str(tmp_path / "to")]
    assert main([*command, "--describe", "--version", "2.0", *words]) == 0
    return load_card(tmp_path / "to")


def test_all_words_of_a_card_can_be_given(tmp_path):
    card = exported(
        tmp_path, "--describe-data", "Data.", "--licence", "Licence.", "--limit", "A.",
        "--limit", "B.", "--intended-use", "Use.", "--out-of-scope", "C.", "--evaluation-data",
        "Tests.", "--ethics", "D.", "--ethics", "E.",
    )  # fmt: skip

    assert (card.version, card.training_data.description, card.licence) == (
        "2.0",
        "Data.",
        "Licence.",
    )
    assert (card.limits, card.intended_use, card.out_of_scope_uses) == (
        ("A.", "B."),
        "Use.",
        ("C.",),
    )
    assert (card.evaluation_data, card.ethical_considerations) == ("Tests.", ("D.", "E."))


def test_words_that_are_not_given_are_those_that_are_true_anyway(tmp_path):
    card = exported(tmp_path)

    assert card.intended_use == INTENDED_USE
    assert card.ethical_considerations == ETHICAL_CONSIDERATIONS


def test_the_file_of_an_experiment_has_them_too():
    card = read_experiment(None, ['card.intended_use="Use."', 'card.ethical_considerations=["D."]'])
    words = card.card.card_fields()

    assert (words["intended_use"], words["ethical_considerations"]) == ("Use.", ("D.",))
    with pytest.raises(InvalidRequest, match="intended_usage"):
        read_experiment(None, ['card.intended_usage="Use."'])
