"""How secrets are compared: a comparison that ends early tells how far a guess was right."""

import ast
import hmac
import re
from pathlib import Path

import pytest

from unmask_gateway.access import gate as gate_module
from unmask_gateway.access import keys as keys_module
from unmask_gateway.access.errors import InvalidApiKey
from unmask_gateway.access.gate import Gate
from unmask_gateway.access.keys import Scope, make_key, sha256_of
from unmask_gateway.access.settings import AccessSettings, KeySettings
from unmask_shared.access_policy import AccessPolicy

ROOT = Path(__file__).parents[3]
ADMIN_KEY = "0123456789abcdef" * 3
SECRET = re.compile(
    r"secret|signature|admin_key|password|admin_sha256|\.hmac|\btoken", re.IGNORECASE
)


def test_secrets_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[object, object]] = []

    class Watched:
        @staticmethod
        def compare_digest(one: str, other: str) -> bool:
            compared.append((one, other))
            return hmac.compare_digest(one, other)

    monkeypatch.setattr(gate_module, "hmac", Watched)
    monkeypatch.setattr(keys_module, "hmac", Watched)
    key, presented = make_key("test", frozenset({Scope.READ}))
    assert not key.is_opened_by("0" * 64)
    assert key.is_opened_by(presented.secret)
    assert compared == [
        (key.secret_sha256, sha256_of("0" * 64)),
        (key.secret_sha256, sha256_of(presented.secret)),
    ]
    compared.clear()
    gate = Gate(
        settings=AccessSettings(
            policy=AccessPolicy(access="keys"),
            operator=KeySettings(admin_key=ADMIN_KEY),  # type: ignore[arg-type]
        ),
        # Nothing is looked up for what is no key, and no limits hold for the operator.
        keys=None,  # type: ignore[arg-type]
        owners=None,  # type: ignore[arg-type]
        rates=None,  # type: ignore[arg-type]
    )
    with pytest.raises(InvalidApiKey):
        gate.admit(ADMIN_KEY[:-1], needs=Scope.READ, video_id=None, limits=[])
    assert gate.admit(ADMIN_KEY, needs=Scope.READ, video_id=None, limits=[]).sees_all
    # Hashes, so that not even the length is told.
    assert [len(str(one)) for pair in compared for one in pair] == [64] * 4


def test_no_secret_is_compared_otherwise() -> None:
    found = []
    for folder in ("shared", "services/gateway", "client"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if not isinstance(node, ast.Compare):
                    continue
                if not any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops):
                    continue
                text = ast.unparse(node)
                if SECRET.search(text):
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {text}")
    # A prefix that every secret has is none.
    assert [line for line in found if "prefix != 'whsec'" not in line] == []
