"""What the machine refuses: a full disk, paths that cannot be; each told in words."""

import errno
import shutil

import pytest

from unmask_trainer.__main__ import main
from unmask_trainer.datasets.whole_files import replacing
from unmask_trainer.refusals import advice_about


def test_an_out_folder_that_cannot_be_made_is_named_with_advice(tmp_path, capsys):
    (tmp_path / "clip.mp4").write_bytes(b"no video")
    (tmp_path / "file").write_text("in the way")
    command = ["stats", str(tmp_path), "--out", str(tmp_path / "file" / "out")]

    assert main(command) == 2

    told = capsys.readouterr().err.splitlines()
    assert told[-2].startswith(str(tmp_path / "file"))
    assert told[-1] == "A part of the path is a file, not a folder: choose another one."


def test_a_table_of_persons_that_is_not_there_is_named(tmp_path, capsys):
    command = ["forge", "--videos", str(tmp_path), "--persons", str(tmp_path / "none.csv")]

    assert main([*command, "--out", str(tmp_path / "out")]) == 2

    assert "there is no table of persons at" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "--data", "{}/none"], "none is not a folder"),
        (["train", "--data", "{}"], "python -m unmask_trainer prepare reads all layouts"),
        (["persons", "{}"], "python -m unmask_trainer COMMAND --help"),
    ],
)
def test_advice_is_for_the_command_line_not_for_callers_of_an_api(
    tmp_path, capsys, arguments, words
):
    assert main([argument.format(tmp_path) for argument in arguments]) == 2

    told = capsys.readouterr().err
    assert words in told
    assert "openapi" not in told


def test_libraries_that_do_not_say_that_the_disk_is_full_are_helped(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=0))

    def half_written(path):
        path.write_bytes(b"half")
        raise RuntimeError("unexpected pos 576 vs 534")  # as PyTorch words it

    with (
        pytest.raises(OSError, match="No space left") as caught,
        replacing(tmp_path / "new") as partial,
    ):
        half_written(partial)

    assert caught.value.errno == errno.ENOSPC
    assert "Make room there" in advice_about(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_other_failures_on_a_disk_with_room_stay_what_they_are(tmp_path):
    def half_written(path):
        path.write_bytes(b"half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "new") as partial:
        half_written(partial)

    assert list(tmp_path.iterdir()) == []


def test_what_is_no_refusal_of_the_machine_gets_no_advice():
    assert advice_about(OSError("from a library, without a number")) is None
