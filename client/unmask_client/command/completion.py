"""`unmask completion`: lets a shell complete the command."""

import os
from enum import StrEnum
from typing import Annotated, Final

import typer

_FILES_IN_FISH: Final = (
    "complete --command unmask --force-files "
    '--condition "__fish_seen_subcommand_from analyze submit"'
)


class Shell(StrEnum):
    """Shells that can."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(
    context: typer.Context, shell: Annotated[Shell, typer.Argument(help="Which shell.")]
) -> None:
    """Print a script that lets a shell complete `unmask`.

    Bash: eval "$(unmask completion bash)" in ~/.bashrc.

    Zsh: eval "$(unmask completion zsh)" in ~/.zshrc, behind compinit.

    Fish: unmask completion fish > ~/.config/fish/completions/unmask.fish
    """
    if shell is Shell.FISH:
        # What the library prints completes no file names.
        typer.echo(_FILES_IN_FISH)
    root = context.find_root().command
    # What the library does for a program in whose environment this is set.
    os.environ["_UNMASK_COMPLETE"] = f"source_{shell.value}"
    root.main(args=[], prog_name="unmask", complete_var="_UNMASK_COMPLETE")
