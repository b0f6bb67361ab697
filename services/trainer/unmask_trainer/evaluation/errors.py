"""Errors of the evaluation."""

from unmask_shared.errors import InvalidRequest


class InvalidEvaluation(InvalidRequest):
    """What was asked to be measured is not there, or cannot be."""

    code = "invalid_evaluation"
    title = "This cannot be evaluated"
    action = "See python -m unmask_trainer evaluate --help for what the options mean."
