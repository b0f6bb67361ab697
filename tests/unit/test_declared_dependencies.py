"""Every distribution declares what it imports.

The development environment holds all packages at once and would hide a missing declaration until
an image is built that lacks it.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = [folder for folder in sorted((ROOT / "services").iterdir()) if folder.is_dir()]
# Parts of `unmask_shared` that need an extra of it.
EXTRA_OF = {"unmask_shared.vision": "vision", "unmask_shared.model": "model"}
# The inference image decodes crops with OpenCV alone, without the rest of the vision extra.
NEEDS_NO_EXTRA = {"unmask_shared.vision.crops", "unmask_shared.vision.parts"}
# The wheel names only its binary module.
DISTRIBUTIONS = {**packages_distributions(), "dlib": ["dlib-bin"]}


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def requirement(text: str) -> tuple[str, set[str]]:
    match = re.match(r"([\w.-]+)(?:\[([\w,-]+)\])?", text)
    assert match, text
    return normalised(match[1]), set((match[2] or "").split(",")) - {""}


def project(folder: Path) -> dict[str, object]:
    project: dict[str, object] = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    return project


def imports(files: Iterator[Path]) -> set[str]:
    """Dotted names of everything that the files import."""
    names: set[str] = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module)
    return names


def third_party(names: set[str]) -> dict[str, set[str]]:
    """The distributions that could provide each imported module."""
    tops = {name.partition(".")[0] for name in names}
    return {
        top: {normalised(name) for name in DISTRIBUTIONS.get(top, [])}
        for top in tops
        if top not in sys.stdlib_module_names and not top.startswith("unmask_")
    }


def undeclared(names: set[str], declared: set[str]) -> set[str]:
    return {top for top, providers in third_party(names).items() if not providers & declared}


@pytest.mark.parametrize("folder", SERVICES, ids=lambda folder: folder.name)
def test_a_service_declares_what_it_imports(folder: Path) -> None:
    dependencies = [requirement(text) for text in project(folder)["dependencies"]]  # type: ignore[attr-defined] # a TOML list
    declared = {name for name, _ in dependencies}
    names = imports((folder / f"unmask_{folder.name}").rglob("*.py"))
    # What the shared package needs anyway counts as declared through it.
    shared = project(ROOT / "shared")
    extras = {extra for name, found in dependencies if name == "unmask-shared" for extra in found}
    via_shared = [*shared["dependencies"]]  # type: ignore[misc] # a TOML list
    for extra in extras:
        via_shared += shared["optional-dependencies"][extra]  # type: ignore[index] # a TOML table
    declared |= {requirement(text)[0] for text in via_shared}
    if folder.name == "standalone":
        # It depends on the services whole, and starts them by module name.
        assert {"unmask-gateway", "unmask-preprocessor", "unmask-inference"} <= declared
    assert not undeclared(names, declared)

    needed = {
        extra
        for prefix, extra in EXTRA_OF.items()
        for name in names
        if f"{name}.".startswith(f"{prefix}.") and name not in NEEDS_NO_EXTRA
    }
    assert needed <= extras


def test_the_shared_package_declares_what_it_imports() -> None:
    shared = project(ROOT / "shared")
    package = ROOT / "shared" / "unmask_shared"
    declared = {requirement(text)[0] for text in shared["dependencies"]}  # type: ignore[attr-defined] # a TOML list
    extras = {name: package / name for name in ("vision", "model", "tracing")}
    core = (
        file
        for file in package.rglob("*.py")
        if not any(file.is_relative_to(folder) for folder in extras.values())
    )
    assert not undeclared(imports(core), declared)
    for extra, folder in extras.items():
        more = shared["optional-dependencies"][extra]  # type: ignore[index] # a TOML table
        names = imports(folder.rglob("*.py"))
        assert not undeclared(names, declared | {requirement(text)[0] for text in more})


def test_the_client_declares_what_it_imports() -> None:
    declared = {requirement(text)[0] for text in project(ROOT / "client")["dependencies"]}  # type: ignore[attr-defined] # a TOML list
    package = ROOT / "client" / "unmask_client"
    # What it needs to analyse videos itself comes with an extra, through the services.
    core = (file for file in package.rglob("*.py") if "in_process" not in file.parts)
    assert not undeclared(imports(core), declared)
