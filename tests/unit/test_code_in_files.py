"""Files that people are handed, weights above all, cannot run code in whoever opens them."""

import ast
import hashlib
import json
import os
import pickle
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from kombu.exceptions import ContentDisallowed
from kombu.message import Message
from pydantic import SecretStr

from unmask_shared.broker import make_celery
from unmask_shared.errors import UnmaskError
from unmask_shared.model.checkpoint import CARD_FILE, WEIGHTS_FILE, load_checkpoint
from unmask_shared.settings import JobSettings
from unmask_trainer.initialisation.weight_files import read_tensors

ROOT = Path(__file__).parents[2]
CARD = json.loads((ROOT / "models" / "default" / "card.json").read_text())


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self._path),)


def bombs(marker: Path, folder: Path) -> Iterator[Path]:
    """The same bomb as a plain pickle, and in the formats of torch."""
    plain = folder / "plain"
    plain.write_bytes(pickle.dumps({"weight": Bomb(marker)}, protocol=2))
    yield plain
    new, old = folder / "new", folder / "old"
    torch.save({"weight": Bomb(marker)}, new)
    yield new
    torch.save({"weight": Bomb(marker)}, old, _use_new_zipfile_serialization=False)
    yield old
    zipped = folder / "zipped"
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Bomb(marker), protocol=2))
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/byteorder", "little")
    yield zipped


def test_the_bombs_go_off_where_files_are_trusted(tmp_path: Path) -> None:
    for path in bombs(tmp_path / "marker", tmp_path):
        with suppress(RuntimeError):  # what else is in a plain pickle is no checkpoint
            torch.load(path, weights_only=False)
        (tmp_path / "marker").rmdir()


def test_checkpoints_of_an_attacker_run_nothing(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    for path in list(bombs(marker, tmp_path)):
        folder = tmp_path / f"{path.name} checkpoint"
        folder.mkdir()
        data = path.read_bytes()
        (folder / WEIGHTS_FILE).write_bytes(data)
        # The attacker writes the card as well, so the hash fits.
        card = CARD | {"weights_sha256": hashlib.sha256(data).hexdigest()}
        (folder / CARD_FILE).write_text(json.dumps(card))
        with pytest.raises(UnmaskError, match="not a safetensors file"):
            load_checkpoint(folder)
    assert not marker.exists()


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".safetensors", ""])
def test_weights_to_start_from_run_nothing(tmp_path: Path, suffix: str) -> None:
    marker = tmp_path / "marker"
    for path in list(bombs(marker, tmp_path)):
        with pytest.raises(UnmaskError):
            read_tensors(path.rename(path.with_name(f"{path.name}{suffix}")))
    assert not marker.exists()


def test_messages_of_an_attacker_run_nothing(tmp_path: Path) -> None:
    """Whoever can write to Redis can queue any bytes; workers read JSON alone."""
    marker = tmp_path / "marker"
    celery = make_celery(JobSettings(redis_url=SecretStr("redis://127.0.0.1:1/0")))
    assert celery.conf.accept_content == ["json"]
    body = pickle.dumps(Bomb(marker))
    for accepted in (celery.conf.accept_content, None):
        for media_type in ("application/x-python-serialize", "application/x-yaml"):
            message = Message(
                body, content_type=media_type, content_encoding="binary", accept=accepted
            )
            with pytest.raises(ContentDisallowed):
                message.decode()
    assert not marker.exists()


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def test_nothing_unpickles_evaluates_or_starts_a_shell() -> None:
    banned = {
        *("eval", "exec", "compile", "__import__", "os.system", "os.popen", "yaml.load"),
        *("pickle.load", "pickle.loads", "pickle.Unpickler", "marshal.loads", "shelve.open"),
        *("dill.load", "joblib.load", "cloudpickle.loads", "torch.hub.load", "torch.jit.load"),
    }
    found, loads = [], 0
    for folder in ("shared", "services", "client"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for name, call in calls(ast.parse(path.read_text())):
                options = {word.arg: ast.unparse(word.value) for word in call.keywords}
                where = f"{path.relative_to(ROOT)}:{call.lineno}: {name}"
                if name in banned or options.get("shell") == "True":
                    found.append(where)
                if name in {"np.load", "numpy.load"} and options.get("allow_pickle") == "True":
                    found.append(where)
                if name == "torch.load":
                    loads += 1
                    if options.get("weights_only") != "True":
                        found.append(where)
    assert found == []
    assert loads >= 4
