"""The page on what is pooled tells the example's numbers as they are computed."""

from pathlib import Path

import pytest

from kmeta.core.numbers import count, decimal, interval, percent
from kmeta.formats.protocol import read_protocol
from kmeta.methods.selection import DEFAULT, ORIENTATION
from kmeta.methods.synthesis import synthesise_survival
from kmeta.project import restore

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "explanation" / "what-is-pooled.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    with restore(
        ROOT / "src" / "kmeta" / "examples" / "nelm", tmp_path_factory.mktemp("x") / "nelm"
    ) as project:
        return project.evidence(), read_protocol(project.protocol_text)


@pytest.mark.parametrize("policy", [ORIENTATION, DEFAULT], ids=["simple", "defaults"])
@pytest.mark.parametrize("name", ["resection", "transplantation", "locoregional", "systemic", "conservative"])
def test_a_row_of_the_table(name, policy, example):
    evidence, protocol = example
    plan = next(each for each in protocol.analyses if each.name == "os60")
    pool = next(p for p in synthesise_survival(evidence, protocol, plan, policy).pools if p.name == name)
    if pool.fit is None:
        assert f"{pool.k}, {count(pool.n_patients)}: not pooled" in PAGE
        return
    low, high = (percent(limit, 1) for limit in pool.fit.effect_ci)
    told = f"{count(pool.n_patients)}: {decimal(100 * pool.fit.effect, 1)} ({interval(low, high)})"
    assert told in PAGE
    assert f"{pool.k}" in PAGE.split(told)[0].rsplit("|", 1)[1]


def test_the_readme_shows_what_the_demo_prints(example):
    evidence, protocol = example
    plan = next(each for each in protocol.analyses if each.name == "os60")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for pool in synthesise_survival(evidence, protocol, plan).pools[:3]:
        low, high = (percent(limit) for limit in pool.fit.effect_ci)
        assert f"{percent(pool.fit.effect)}% ({interval(low, high)})" in readme
        assert f"{pool.k} rows, {count(pool.n_patients)} patients" in readme
