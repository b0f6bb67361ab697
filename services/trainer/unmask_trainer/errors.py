"""What can be wrong with what a command is given."""

from unmask_shared.errors import InvalidRequest


class InvalidInput(InvalidRequest):
    """A command cannot do anything with the files or options that it was given."""

    title = "This cannot be done"
    action = "python -m unmask_trainer COMMAND --help tells what the command takes."
