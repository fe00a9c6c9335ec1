"""What exists is documented: commands, options, public names, checks, rules, analyses' settings."""

import dataclasses
import inspect
from pathlib import Path

import pytest
import typer

import kmeta
from kmeta.cli.app import app
from kmeta.methods.checks import CHECKS
from kmeta.methods.selection import CONTRAST_RULES, RULES
from kmeta.review.protocol import Analysis, Eligibility, Protocol, Treatment

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"


def page(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def commands() -> dict[str, list[str]]:
    group = typer.main.get_command(app)
    return {
        name: [option for parameter in command.params for option in parameter.opts if option.startswith("--")]
        for name, command in group.commands.items()
    }


@pytest.mark.parametrize("name", sorted(commands()))
def test_a_command_and_its_options_are_described(name):
    text = page("commands.md")
    assert f"## kmeta {name}" in text
    section = text.split(f"## kmeta {name}\n")[1].split("\n## ")[0]
    missing = [option for option in commands()[name] if f"`{option}" not in section]
    assert not missing


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_a_check_is_described(name):
    assert f"`{name}`" in page("checks.md")


@pytest.mark.parametrize("name", sorted({**RULES, **CONTRAST_RULES}))
def test_a_selection_rule_is_described(name):
    assert f"`{name}`" in page("selection-rules.md")


@pytest.mark.parametrize("noun", [Protocol, Eligibility, Treatment, Analysis])
def test_a_setting_of_the_protocol_is_described(noun):
    text = page("review-toml.md")
    derived = {"text"}
    names = {"treatment_class": "class", "analyses": "analysis", "treatments": "treatment"}
    missing = [
        field.name
        for field in dataclasses.fields(noun)
        if field.name not in derived and names.get(field.name, field.name) not in text
    ]
    assert not missing


@pytest.mark.parametrize("name", sorted(set(kmeta.__all__) - {"__version__"}))
def test_a_public_name_says_what_it_takes_and_is_on_its_page(name):
    thing = getattr(kmeta, name)
    assert inspect.getdoc(thing)
    assert f"kmeta.{name}" in page("python.md") or f".{name}\n" in page("python.md")
