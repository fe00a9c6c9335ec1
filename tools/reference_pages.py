"""Writes four pages of docs/reference from the code: `.venv/bin/python tools/reference_pages.py`.

Run it after a command, option, rule, check or public name was added; the tests of the documentation fail until then.
"""

# ruff: noqa: E501 - the pages hold lines of prose

from __future__ import annotations

import inspect
from pathlib import Path

import typer

import kmeta
from kmeta.cli.app import app
from kmeta.methods.checks import CHECKS
from kmeta.methods.selection import CONTRAST_RULES, RULES

REFERENCE = Path(__file__).resolve().parents[1] / "docs" / "reference"
# The order a review meets them; a command not named here follows.
ORDER = [
    "demo",
    "new",
    "import",
    "status",
    "check",
    "analyse",
    "run",
    "serve",
    "history",
    "archive",
    "restore",
    "merge",
    "backup",
]

COMMANDS = """# Commands

Every command that prints takes `--json` and then prints one JSON document. Exit codes: 0 done, 1 the project or the disk is at fault,
2 the input is. An error says where, what was expected and what to do. Progress goes to standard error.

`KMETA_USER` names who acts are signed with; without it the login name of the computer is taken.
"""
SELECTION = """# Selection rules

A value enters a pool only if every rule lets it. Each rule below is one function with this sentence as its reason; the report and
`tables/excluded.csv` name the rule for every value that was left out. The rules are asked in this order, and the first that speaks decides.

| rule | why |
| --- | --- |
{rules}

## Comparisons of two arms

| rule | why |
| --- | --- |
{contrasts}

Some rules only speak when they are asked to, in sensitivity analyses: `second_hand`, `small`, `set_aside`.

## Overlapping studies

Two studies that certainly or likely share patients are not both counted in one pool. Of the studies linked by such pairs that would
contribute to the same pool, kmeta keeps the set without a shared pair that holds most patients (the exact optimum, not a greedy
choice); pairs are not chained, so two studies that share patients with a third may both stay if they do not share any with each other.
Pairs marked `possible` are kept and named in a note, and a sensitivity analysis leaves them out.
"""
CHECK_PAGE = """# Checks

`kmeta check` runs every check below on the evidence, after those on the project itself (its history, files and database). A finding is an
**error** (a number cannot be right, or cannot be used), a **warning** (look before you cite it) or a **note**.

| check | what it looks for |
| --- | --- |
{checks}
"""
PYTHON = """# Python

`import kmeta` costs almost nothing: each name is loaded when it is first used. Arrays go in, frozen results come out; every result has
`.summary()`, `.rows()`, `.to_dict()` and `.to_frame()` (the last with the extra `frames`).
"""


def commands() -> str:
    """One section a command: usage, purpose, table of options."""
    group = typer.main.get_command(app)
    names = [*ORDER, *sorted(set(group.commands) - set(ORDER))]
    return "\n".join([COMMANDS, *(line for name in names for line in command(name, group.commands[name]))])


def command(name: str, found: typer.core.TyperCommand) -> list[str]:
    """The section of one command, or of each command of a group."""
    inner = getattr(found, "commands", None)
    if inner:
        return [line for part in sorted(inner) for line in command(f"{name} {part}", inner[part])]
    arguments = [p for p in found.params if p.param_type_name == "argument"]
    usage = " ".join(["kmeta", name, *map(placeholder, arguments)])
    rows = [f"| {word(p)} | {getattr(p, 'help', '') or ''} |" for p in arguments]
    for p in found.params:
        if p.param_type_name != "argument":
            names = ", ".join(f"`{option}`" for option in [*p.opts, *p.secondary_opts])
            rows.append(f"| {names} | {p.help or ''} |")
    table = ["| option | meaning |", "| --- | --- |", *rows] if rows else []
    return [f"## kmeta {name}", "", f"`{usage}`", "", (found.help or "").strip(), "", *table, ""]


def word(argument: typer.core.TyperArgument) -> str:
    """The name of an argument as the usage line shows it."""
    return (argument.metavar or argument.name or "").strip("[]").upper()


def placeholder(argument: typer.core.TyperArgument) -> str:
    """The argument in a usage line: bracketed when it may be left out, dots when there may be many."""
    if not argument.required:
        return f"[{word(argument)}]"
    return (argument.metavar or (argument.name or "").upper()) + ("..." if argument.nargs == -1 else "")


def main() -> None:
    """Write the four pages."""
    rules = "\n".join(f"| `{name}` | {rule.statement} |" for name, rule in RULES.items())
    contrasts = "\n".join(f"| `{name}` | {rule.statement} |" for name, rule in CONTRAST_RULES.items())
    first = {name: " ".join((inspect.getdoc(c) or "").split("\n\n")[0].split()) for name, c in CHECKS.items()}
    checks = "\n".join(f"| `{name}` | {text} |" for name, text in first.items())
    options = "    options:\n      show_root_heading: false\n"
    names = "\n".join(
        f"## kmeta.{name}\n\n::: {kmeta._PUBLIC[name]}.{name}\n{options}" for name in sorted(kmeta._PUBLIC)
    )
    pages = {
        "commands": commands(),
        "selection-rules": SELECTION.format(rules=rules, contrasts=contrasts),
        "checks": CHECK_PAGE.format(checks=checks),
        "python": PYTHON + "\n" + names,
    }
    for name, text in pages.items():
        (REFERENCE / f"{name}.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
