import ast
import subprocess
import sys
from pathlib import Path

import unmask_shared.model.torchvision_import as module
from unmask_shared.model.torchvision_import import load_torchvision

REPOSITORY = Path(__file__).parents[3]
THE_ONE_PLACE = Path(module.__file__).resolve()


def test_models_can_be_built_with_whatever_torch_is_installed():
    trunk = load_torchvision().models.resnet18(weights=None)

    assert trunk.fc.in_features == 512


def test_a_second_call_gives_the_same_module():
    assert load_torchvision() is load_torchvision()


def test_it_works_in_a_fresh_process_with_warnings_as_errors():
    code = (
        "from unmask_shared.model.torchvision_import import load_torchvision;"
        "load_torchvision().models.resnet34(weights=None)"
    )

    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_nobody_else_imports_torchvision():
    offenders = [
        path
        for folder in ("shared", "services", "client", "bench")
        for path in (REPOSITORY / folder).rglob("*.py")
        if path.resolve() != THE_ONE_PLACE and "torchvision" in _imports(path)
    ]

    assert offenders == []


def _imports(path: Path) -> set[str]:
    packages = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            packages |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            packages.add(node.module.split(".")[0])
    return packages
