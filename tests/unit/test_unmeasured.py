"""E-values and tipping points: published examples, R, and what follows from their definition."""

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kmeta as km
from kmeta.core.errors import InputError


@pytest.mark.parametrize(
    ("ratio", "low", "high", "wanted"),
    [
        (
            3.9,
            1.8,
            8.7,
            (7.26, 3.0),
        ),  # VanderWeele & Ding 2017: breastfeeding and death by respiratory infection
        (0.80, 0.71, 0.91, (1.81, 1.43)),  # breastfeeding and childhood leukaemia
    ],
)
def test_published_examples(ratio, low, high, wanted):
    found = km.e_value(ratio, low, high, measure="RR")
    assert (round(found.e_value, 2), round(found.e_value_limit, 2)) == wanted


def test_a_common_outcome_is_brought_to_risk_ratios_first():
    found = km.e_value(0.56, 0.46, 0.69)
    assert found.risk_ratio == pytest.approx((1 - 0.5**0.56**0.5) / (1 - 0.5 ** (1 / 0.56) ** 0.5), rel=1e-14)
    assert found.e_value < km.e_value(0.56, 0.46, 0.69, rare=True).e_value
    assert km.e_value(4.0, measure="OR").risk_ratio == 2.0
    assert km.e_value(4.0, measure="OR", rare=True).risk_ratio == 4.0
    assert "common outcome" in found.summary()


def test_an_interval_that_holds_no_effect_needs_no_confounder():
    found = km.e_value(0.8, 0.6, 1.1)
    assert found.e_value_limit == 1.0
    assert "holds 1.00 already" in found.summary()
    assert km.e_value(1.0).e_value == 1.0
    assert km.e_value(0.8).e_value_limit is None


@given(st.floats(0.02, 50), st.sampled_from(["HR", "OR", "RR"]), st.booleans())
def test_a_ratio_and_its_inverse_need_the_same_confounder(ratio, measure, rare):
    one, other = (km.e_value(r, measure=measure, rare=rare).e_value for r in (ratio, 1 / ratio))
    assert one == pytest.approx(other, rel=1e-9)
    assert one >= 1


@pytest.mark.parametrize("measure", ["HR", "OR", "RR"])
@pytest.mark.parametrize("numbers", [(0.56, 0.46, 0.69), (1.9, 1.4, 2.2), (0.9, 0.7, 1.2), (1.2, 0.9, 1.6)])
def test_the_r_script_gives_the_same(measure, numbers):
    if not shutil.which("Rscript"):
        pytest.skip("R is not installed")
    found = km.e_value(*numbers, measure=measure)
    done = subprocess.run(
        ["Rscript", "-"], input=found.r_script(), capture_output=True, text=True, check=True
    )
    told = [float(x) for x in done.stdout.split()]
    assert told == pytest.approx([found.e_value, found.e_value_limit], rel=1e-5)


@given(
    st.floats(0.2, 0.9),
    st.floats(0.05, 0.95),
    st.floats(0.05, 0.95),
)
def test_a_confounder_at_the_tipping_point_makes_exactly_the_bias(ratio, first, second):
    (row,) = km.tipping_point(ratio, ratio * 0.8, ratio * 1.05, prevalences=[(first, second)]).rows()
    g = row["tips_estimate"]
    if g is None:
        # the strongest confounders there can be, protective or harmful, bias less than the ratio
        ends = [(1 - first) / (1 - second), first / second]
        assert min(ends) >= ratio * (1 - 1e-9)
    else:
        bias = (g * first + 1 - first) / (g * second + 1 - second)
        assert bias == pytest.approx(ratio, rel=1e-6)


def test_shifts_and_what_holds_already():
    found = km.tipping_point(0.5, 0.35, 0.71)
    assert found.shift_estimate == 2.0
    assert found.shift_limit == pytest.approx(1 / 0.71)
    assert "0.71" in found.summary()
    above = km.tipping_point(2.0, 1.4, 2.9, threshold=1.2)
    assert above.limit == 1.4
    open_ = km.tipping_point(0.8, 0.6, 1.1)
    assert open_.shift_limit is None
    assert all(row["tips_limit"] is None for row in open_.rows())
    assert "no conclusion to turn" in open_.summary()


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: km.e_value(-0.7), "estimate is -0.7"),
        (lambda: km.e_value("0.7"), "estimate is '0.7'"),
        (lambda: km.e_value(0.7, 0.8, 0.9), "leaves out"),
        (lambda: km.e_value(0.7, measure="RD"), "no measure is 'RD'"),
        (lambda: km.e_value(0.7, true=0), "true is 0"),
        (lambda: km.tipping_point(0.7, 0.5, 0.9, prevalences=[(0.5, 1.5)]), "0.5, 1.5"),
        (lambda: km.tipping_point(0.7, 0.5, 0.9, threshold=-1), "threshold is -1"),
    ],
)
def test_numbers_that_cannot_be_are_told(ask, words):
    with pytest.raises(InputError, match=words):
        ask()
