"""What a caller may ask of an analysis, read from text fields of the form while it arrives."""

from typing import Any, Final, get_args

from unmask_shared.artifacts import FaceMode
from unmask_shared.errors import InvalidOption
from unmask_shared.videos import AnalysisOptions

# Longer than any allowed value; what is longer is told from it by its beginning.
_MAX_VALUE_BYTES: Final = 32
_YES_OR_NO: Final = ("true", "false")

ALLOWED_VALUES: Final[dict[str, tuple[str, ...]]] = {
    "face_mode": get_args(FaceMode),
    "keep_faceless_frames": _YES_OR_NO,
    "landmark_overlays": _YES_OR_NO,
    "heatmaps": _YES_OR_NO,
}
"""The fields of the form that are options, and the values that each may have."""


def describe_options() -> dict[str, Any]:
    """The JSON schema of each field, by name."""
    properties = AnalysisOptions.model_json_schema()["properties"]
    return {name: properties[name] for name in ALLOWED_VALUES}


class OptionFields:
    """Collects the options of one form, each in pieces of any size."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self._name = ""
        self._value = bytearray()

    def begin(self, name: str) -> None:
        """Note that the field with this name begins.

        Args:
            name: One of `ALLOWED_VALUES`.

        Raises:
            InvalidOption: The form had this field before.
        """
        if name in self._values:
            raise InvalidOption(f"The form has more than one field named `{name}`.")
        self._name = name
        self._value.clear()

    def feed(self, data: bytes) -> None:
        """Take a piece of the field's value.

        Raises:
            InvalidOption: The value is longer than any that is allowed.
        """
        self._value += data[: _MAX_VALUE_BYTES + 1]
        if len(self._value) > _MAX_VALUE_BYTES:
            raise self._refusal(f"{_shown(self._value[:_MAX_VALUE_BYTES])} and more")

    def end(self) -> None:
        """Keep the field, which is whole now.

        Raises:
            InvalidOption: Its value is not allowed.
        """
        value = self._value.decode(errors="replace")
        if value not in ALLOWED_VALUES[self._name]:
            raise self._refusal(_shown(self._value))
        self._values[self._name] = value

    def chosen(self) -> AnalysisOptions:
        """The options so far; what was not sent is at its default."""
        return AnalysisOptions.model_validate(self._values)

    def _refusal(self, value: str) -> InvalidOption:
        allowed = " or ".join(f"`{option}`" for option in ALLOWED_VALUES[self._name])
        return InvalidOption(f"`{self._name}` is {value}, not {allowed}.")


def _shown(value: bytes | bytearray) -> str:
    return ascii(value.decode(errors="replace"))
