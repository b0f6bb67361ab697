"""Packages that the comparison of face detectors can do without, and the files in them."""

import importlib
import importlib.util
from pathlib import Path
from typing import Any


class MissingPackage(Exception):
    """A candidate's package, or the model file in it, is not installed."""


def packaged_file(package: str, *parts: str) -> Path:
    """A data file of an installed package, which is located but not imported."""
    spec = importlib.util.find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder).joinpath(*parts)
        if path.is_file():
            return path
    raise MissingPackage(f"{package} ({'/'.join(parts)})")


def load_package(package: str) -> Any:
    if importlib.util.find_spec(package.partition(".")[0]) is None:
        raise MissingPackage(package)
    return importlib.import_module(package)
