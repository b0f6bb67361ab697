"""The one place where torchvision is imported.

torchvision's wheels on PyPI are linked against CUDA. Beside a CPU build of torch their compiled
operators do not load, and `import torchvision` stops with `operator torchvision::nms does not
exist`, because a Python module registers a meta kernel for an operator that was never declared.
Models and transforms need none of the compiled operators, so declaring the two schemas is enough
to import the rest.
"""

import importlib
import sys
from functools import cache
from types import ModuleType

import torch

_MISSING_OPERATOR = "operator torchvision::nms does not exist"
_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


@cache
def _declare_missing_operators() -> torch.library.Library:
    """Declare the operators' schemas; the cache keeps the library, and so the schemas, alive."""
    # torch leaves `Library` untyped.
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for schema in _SCHEMAS:
        library.define(schema)  # type: ignore[no-untyped-call]
    return library


def _forget(package: str) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        del sys.modules[name]


@cache
def load_torchvision() -> ModuleType:
    """Import torchvision, also beside a torch build that its compiled operators do not fit.

    Returns:
        The module `torchvision`. After the fallback its models and transforms work;
        `torchvision.ops.nms`, the detection models and `torchvision.io` for images do not.

    Raises:
        RuntimeError: When the import fails for any other reason.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if _MISSING_OPERATOR not in str(error):
            raise
    # Only now: declaring the schemas beside a build that brings them aborts the process.
    _forget("torchvision")
    _declare_missing_operators()
    return importlib.import_module("torchvision")
