"""What a caller may ask of an analysis, read from text fields of the form while it arrives."""

import re
from typing import Any, Final, get_args

from unmask_shared.artifacts import FaceMode
from unmask_shared.errors import InvalidOption
from unmask_shared.videos import MAX_MODEL_LENGTH, MODEL_PATTERN, AnalysisOptions

MODEL_FIELD: Final = "model"
# Longer than any value of the others; what is longer is told from them by its beginning.
_MAX_VALUE_BYTES: Final = 32
_SHOWN_BYTES: Final = 32
_YES_OR_NO: Final = ("true", "false")

ALLOWED_VALUES: Final[dict[str, tuple[str, ...]]] = {
    "face_mode": get_args(FaceMode),
    "keep_faceless_frames": _YES_OR_NO,
    "landmark_overlays": _YES_OR_NO,
    "heatmaps": _YES_OR_NO,
}
"""The fields of the form that are options of a few values, and the values that each may have."""

OPTION_FIELDS: Final = frozenset({*ALLOWED_VALUES, MODEL_FIELD})
"""All fields of the form that are options."""


def describe_options() -> dict[str, Any]:
    """The JSON schema of each field, by name."""
    properties = AnalysisOptions.model_json_schema()["properties"]
    described = {name: properties[name] for name in ALLOWED_VALUES}
    # A form has no null: a field is left out.
    model = {**properties[MODEL_FIELD]}
    of_text, _ = model.pop("anyOf")
    return described | {MODEL_FIELD: model | of_text}


class OptionFields:
    """Collects the options of one form, each in pieces of any size."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self._name = ""
        self._value = bytearray()

    def begin(self, name: str) -> None:
        """Note that the field with this name begins.

        Args:
            name: One of `OPTION_FIELDS`.

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
        most = MAX_MODEL_LENGTH if self._name == MODEL_FIELD else _MAX_VALUE_BYTES
        self._value += data[: most + 1]
        if len(self._value) > most:
            raise self._refusal(f"{_shown(self._value[:_SHOWN_BYTES])} and more")

    def end(self) -> None:
        """Keep the field, which is whole now.

        Raises:
            InvalidOption: Its value is not allowed.
        """
        value = self._value.decode(errors="replace")
        if self._name == MODEL_FIELD:
            if not value:  # a form sends what nobody filled in
                return
            is_allowed = re.fullmatch(MODEL_PATTERN, value) is not None
        else:
            is_allowed = value in ALLOWED_VALUES[self._name]
        if not is_allowed:
            raise self._refusal(_shown(self._value))
        self._values[self._name] = value

    def chosen(self) -> AnalysisOptions:
        """The options so far; what was not sent is at its default."""
        return AnalysisOptions.model_validate(self._values)

    def _refusal(self, value: str) -> InvalidOption:
        if self._name == MODEL_FIELD:
            return InvalidOption(f"`{self._name}` is {value}, not of the form NAME/VERSION.")
        allowed = " or ".join(f"`{option}`" for option in ALLOWED_VALUES[self._name])
        return InvalidOption(f"`{self._name}` is {value}, not {allowed}.")


def _shown(value: bytes | bytearray) -> str:
    return ascii(value.decode(errors="replace"))
