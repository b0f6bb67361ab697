"""Files that come inside of other people's packages."""

import importlib.util
from pathlib import Path


def file_in_package(package: str, name: str) -> Path | None:
    """Where an installed package keeps a file; the package is not imported.

    Args:
        package: Its import name.
        name: The file's path inside of it.

    Returns:
        None when the package is not installed, or has no such file.
    """
    found = importlib.util.find_spec(package)
    for folder in (found and found.submodule_search_locations) or ():
        path = Path(folder) / name
        if path.is_file():
            return path
    return None
