"""The options of an analysis as the gateway reads and describes them."""

from unmask_gateway.options import ALLOWED_VALUES, OptionFields, describe_options
from unmask_shared.videos import AnalysisOptions


def chosen(name: str, value: str) -> AnalysisOptions:
    fields = OptionFields()
    fields.begin(name)
    fields.feed(value.encode())
    fields.end()
    return fields.chosen()


def test_every_option_of_the_domain_is_a_field_of_the_form() -> None:
    assert set(ALLOWED_VALUES) == set(AnalysisOptions.model_fields)


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
