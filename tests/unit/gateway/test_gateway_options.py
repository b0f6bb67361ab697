"""The options of an analysis as the gateway reads and describes them."""

import pytest

from unmask_gateway.options import ALLOWED_VALUES, OPTION_FIELDS, OptionFields, describe_options
from unmask_shared.errors import InvalidModelRef, InvalidOption
from unmask_shared.model_versions import version_key
from unmask_shared.videos import AnalysisOptions, ModelRef


def chosen(name: str, value: str) -> AnalysisOptions:
    fields = OptionFields()
    fields.begin(name)
    fields.feed(value.encode())
    fields.end()
    return fields.chosen()


def test_every_option_of_the_domain_is_a_field_of_the_form() -> None:
    assert set(OPTION_FIELDS) == set(AnalysisOptions.model_fields)


def test_every_allowed_value_can_be_chosen_and_means_something_of_its_own() -> None:
    for name, values in ALLOWED_VALUES.items():
        meanings = [getattr(chosen(name, value), name) for value in values]
        assert len(set(meanings)) == len(values) == 2


def test_each_option_is_described_with_its_default() -> None:
    described = describe_options()
    defaults = AnalysisOptions().model_dump()
    assert {name: schema["default"] for name, schema in described.items()} == defaults
    assert all(schema["description"] and schema["examples"] for schema in described.values())
    assert "commercial" in described["landmark_overlays"]["description"]


@pytest.mark.parametrize("model", ["a/1", "resnet-lstm/0.2.0", "b.c_d/1+cuda", "x" * 128 + "/1"])
def test_a_model_is_chosen_by_name_and_version(model: str) -> None:
    assert chosen("model", model).model == model
    ref = ModelRef.parse(model)
    assert str(ref) == model
    version_key(ref.name, ref.version, "card.json")


@pytest.mark.parametrize(
    "model", ["resnet-lstm", "a/", "/1", "a/1/2", "../x", "A/1", "a/ 1", "a/1\n", "a/" + "1" * 300]
)
def test_what_can_be_no_model_is_refused_as_the_registry_would(model: str) -> None:
    with pytest.raises(InvalidOption, match="NAME/VERSION"):
        chosen("model", model)
    ref = ModelRef.parse(model)
    with pytest.raises(InvalidModelRef):
        version_key(ref.name, ref.version, "card.json")


def test_an_empty_field_chooses_no_model() -> None:
    assert chosen("model", "").model is None
