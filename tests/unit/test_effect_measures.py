"""Every measure from the numbers it is made of, the correction of zero cells, and what is refused."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kmeta as km
from kmeta.core.errors import InputError
from kmeta.methods.effects import MEASURES
from kmeta.methods.effects.proportion_intervals import METHODS, proportion_intervals

TABLE = {"ai": [4, 6], "n1i": [123, 306], "ci": [11, 20], "n2i": [139, 303]}
MEANS = {"m1i": [5, 8], "sd1i": [2, 3], "n1i": [20, 30], "m2i": [4, 9], "sd2i": [2.5, 2], "n2i": [25, 28]}
COLUMNS = (
    {
        "xi": [3, 7],
        "ni": [12, 15],
        "ti": [100.0, 80.0],
        "mi": [5, 8],
        "sdi": [2, 3],
        "ri": [0.2, -0.5],
        "x1i": [3, 5],
        "t1i": [90, 80],
        "x2i": [6, 4],
        "t2i": [95, 70],
        "estimate": [0.5, 0.8],
        "se": [0.2, 0.3],
    }
    | TABLE
    | MEANS
)
SETS = (
    ("estimate", "se"),
    ("ai", "n1i", "ci", "n2i"),
    ("m1i", "sd1i", "n1i", "m2i", "sd2i", "n2i"),
    ("mi", "sdi", "ni"),
    ("xi", "ni"),
    ("xi", "ti"),
    ("x1i", "t1i", "x2i", "t2i"),
    ("m1i", "m2i", "x1i", "x2i"),
    ("ri", "ni"),
)
NAMED = [
    "OR",
    "RR",
    "RD",
    "AS",
    "PETO",
    "IRR",
    "IRD",
    "HR",
    "PR",
    "PLN",
    "PLO",
    "PAS",
    "PFT",
    "IR",
    "IRLN",
    "IRS",
    "IRFT",
    "MD",
    "SMD",
    "SMDH",
    "ROM",
    "CVR",
    "COR",
    "ZCOR",
    "MSR",
]
counts = st.integers(1, 40)


def sizes_of(measure):
    """The measure from the first set of columns it takes."""
    for names in SETS:
        if measure != "HR" and "estimate" in names:
            continue
        try:
            return km.effect_sizes(measure, **{name: COLUMNS[name] for name in names})
        except InputError:
            continue
    raise AssertionError(f"no set of columns gives {measure}")


@pytest.mark.parametrize("measure", sorted(MEASURES))
def test_every_measure_unpacks_and_tabulates(measure):
    yi, vi = found = sizes_of(measure)
    assert len(found.rows()) == len(yi) == len(vi) == 2
    assert (vi > 0).all()
    assert not yi.flags.writeable


def test_the_measures_of_the_contract_are_all_there():
    assert set(NAMED) <= set(MEASURES)


@settings(deadline=None, max_examples=60)
@given(counts, counts, counts, counts)
def test_exchanged_groups_change_the_sign_alone(a, b, c, d):
    for measure in ("OR", "RR", "RD", "AS", "PETO", "PHI", "YUQ", "PBIT"):
        one = km.effect_sizes(measure, ai=[a], bi=[b], ci=[c], di=[d])
        two = km.effect_sizes(measure, ai=[c], bi=[d], ci=[a], di=[b])
        assert one.yi[0] == pytest.approx(-two.yi[0], abs=1e-12)
        assert one.vi[0] == pytest.approx(two.vi[0])


@settings(deadline=None, max_examples=60)
@given(counts, counts, counts, counts)
def test_cells_and_totals_are_the_same_table(a, b, c, d):
    cells = km.effect_sizes("RR", ai=[a], bi=[b], ci=[c], di=[d])
    totals = km.effect_sizes("RR", ai=[a], n1i=[a + b], ci=[c], n2i=[c + d])
    assert (cells.yi[0], cells.vi[0]) == (totals.yi[0], totals.vi[0])


def test_which_studies_are_corrected_and_by_how_much():
    table = {"ai": [0, 5], "bi": [10, 5], "ci": [2, 4], "di": [8, 6]}
    only = km.effect_sizes("OR", **table)
    assert only.yi[0] == pytest.approx(math.log(0.5 * 8.5 / (10.5 * 2.5)))
    assert only.yi[1] == pytest.approx(math.log(5 * 6 / (5 * 4)))
    assert only.notes == ("0.5 added to each cell", "")
    every = km.effect_sizes("OR", **table, to="if0all", add=0.25)
    assert every.yi[1] == pytest.approx(math.log(5.25 * 6.25 / (5.25 * 4.25)))
    bare = km.effect_sizes("OR", **table, to="none")
    assert math.isnan(bare.yi[0])
    assert "no finite value" in bare.notes[0]


def test_studies_without_events_are_dropped_when_asked():
    table = {"ai": [0, 5], "n1i": [10, 10], "ci": [0, 4], "n2i": [10, 10]}
    assert math.isfinite(km.effect_sizes("RR", **table).yi[0])
    found = km.effect_sizes("RR", **table, drop00=True)
    assert math.isnan(found.yi[0])
    assert "left out" in found.notes[0]
    rates = km.effect_sizes("IRR", x1i=[0], t1i=[9], x2i=[0], t2i=[9], drop00=True)
    assert math.isnan(rates.vi[0])


def test_the_two_packages_correct_different_things():
    table = {"ai": [0], "n1i": [20], "ci": [5], "n2i": [25]}
    assert km.effect_sizes("RD", **table, rule="meta").yi[0] == pytest.approx(-0.2)
    assert km.effect_sizes("RR", **table, rule="meta").yi[0] == pytest.approx(
        math.log(0.5 / 20.5 / (5.5 / 25.5))
    )
    assert km.effect_sizes("PR", xi=[0], ni=[20], rule="meta").yi[0] == 0


@settings(deadline=None)
@given(st.floats(-3, 3), st.floats(0.05, 2))
def test_a_reported_ratio_or_difference_gives_back_its_error(y, se):
    z = 1.959963984540054
    ratio = km.effect_sizes(
        "OR", estimate=[math.exp(y)], ci_low=[math.exp(y - z * se)], ci_high=[math.exp(y + z * se)]
    )
    difference = km.effect_sizes("MD", estimate=[y], ci_low=[y - z * se], ci_high=[y + z * se])
    for found in (ratio, difference):
        assert found.yi[0] == pytest.approx(y, abs=1e-12)
        assert found.vi[0] == pytest.approx(se**2)


def test_means_of_different_sign_have_no_log_ratio():
    found = km.effect_sizes("ROM", m1i=[1], sd1i=[1], n1i=[9], m2i=[-1], sd2i=[1], n2i=[9])
    assert math.isnan(found.yi[0])
    assert "no finite value" in found.notes[0]


def test_medians_take_intervals_or_events():
    by_ci = km.effect_sizes(
        "MSR", m1i=[20], m2i=[10], ci1_low=[15], ci1_high=[26], ci2_low=[8], ci2_high=[13]
    )
    assert by_ci.basis == ("ci",)
    assert km.effect_sizes("MSR", m1i=[20], m2i=[10], x1i=[10], x2i=[20]).vi[0] == pytest.approx(0.15)


@pytest.mark.parametrize("method", METHODS)
def test_intervals_of_proportions_hold_their_estimate(method):
    x, n = np.array([0, 1, 5, 10]), np.array([10, 10, 10, 10])
    low, high = proportion_intervals(x, n, method=method)
    inside = slice(1, 3) if method in ("logit", "WSCC") else slice(None)
    assert (low[inside] <= (x / n)[inside]).all()
    assert ((x / n)[inside] <= high[inside]).all()
    assert ((low >= 0) & (high <= 1)).all()


@pytest.mark.parametrize(
    ("measure", "columns", "words"),
    [
        ("OR", {"ai": [1], "ci": [2], "n1i": [5]}, "give di or n2i"),
        ("OR", {"ai": [6], "n1i": [5], "ci": [2], "n2i": [9]}, "6 of 5"),
        ("OR", {"ai": ["many"], "n1i": [5], "ci": [2], "n2i": [9]}, "not a number"),
        ("OR", {"ai": [0], "n1i": [0], "ci": [2], "n2i": [9]}, "nobody"),
        ("OR", {"ai": [1, 2], "n1i": [5, 5], "ci": [2], "n2i": [9]}, "columns"),
        ("OR", {**TABLE, "vtype": "AV"}, "no vtype"),
        ("OR", {**TABLE, "to": "some"}, "no to"),
        ("IRR", {"x1i": [1], "t1i": [0], "x2i": [1], "t2i": [2]}, r"t1i\[0\] is 0"),
        ("SMD", {**MEANS, "sd1i": [-1, 2]}, r"sd1i\[0\] is -1"),
        ("COR", {"ri": [1.2], "ni": [10]}, r"ri\[0\] is 1.2"),
        ("PLO", {"estimate": [0.5], "se": [0.1]}, "not taken from an estimate"),
        ("MSR", {"m1i": [5], "m2i": [4]}, "no interval and no events"),
    ],
)
def test_what_cannot_be_is_refused(measure, columns, words):
    with pytest.raises(InputError, match=words):
        km.effect_sizes(measure, **columns)
