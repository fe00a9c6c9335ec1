"""Associations between treatment classes and survival at a time, and what would explain them away."""

import math

import numpy as np
import pytest

import kmeta as km
from kmeta.core.errors import InputError

S = [0.7, 0.75, 0.66, 0.58, 0.4, 0.5, 0.45, 0.35]
N = [60, 80, 45, 30, 50, 90, 70, 25]
CLASSES = ["A"] * 4 + ["B"] * 4
GRADE = [1.2, 1.4, 1.1, 1.8, 2.0, 1.7, 2.2, 2.4]


def contrast(**options):
    given = {"survival": S, "n": N, "classes": CLASSES, "reference": "A", "time": 60, **options}
    return km.class_contrast(given.pop("survival"), given.pop("n"), **given)


def test_the_e_values_are_those_of_the_ratio_for_a_common_outcome():
    found = contrast()
    alone = km.e_value(found.ratio[0], found.ratio_low[0], found.ratio_high[0], measure="HR")
    assert found.common_outcome
    assert (found.e_value[0], found.e_value_limit[0]) == (alone.e_value, alone.e_value_limit)


def test_swapping_the_reference_inverts_the_ratio():
    one, other = contrast(), contrast(reference="B")
    assert one.ratio[0] == pytest.approx(1 / other.ratio[0])
    assert one.ratio_low[0] == pytest.approx(1 / other.ratio_high[0])
    assert one.e_value[0] == pytest.approx(other.e_value[0])
    assert one.reference_survival == pytest.approx(other.survival[0])
    assert one.ratio[0] > 1  # worse survival in B


def test_a_bias_as_large_as_told_brings_the_interval_to_one():
    found = contrast()
    shift = math.log(found.tipping_ratio[0])
    assert shift > 0
    moved = 1 - np.exp(-np.exp(np.log(-np.log(S)) - shift))
    moved = np.where(np.array(CLASSES) == "B", 1 - moved, S)
    assert found.ratio_low[0] / found.tipping_ratio[0] == pytest.approx(1)
    changed = found.survival[0] + found.tipping_survival[0]
    assert changed == pytest.approx(math.exp(math.log(found.survival[0]) / found.tipping_ratio[0]))
    # arms shifted by it (their precision kept) have an interval that ends at 1
    y = np.log(-np.log(moved))
    vi = found.fit.vi
    again = km.random_effects(y, vi, measure="GEN", mods={"B": [float(c == "B") for c in CLASSES]})
    low = again.beta[1] - 2.446911851 * math.sqrt(again.vcov[1, 1])
    assert low == pytest.approx(0, abs=1e-6)


def test_no_difference_has_no_tipping_point():
    found = contrast(survival=[0.6, 0.5, 0.55, 0.6] * 2)
    assert found.tipping_ratio[0] == 1
    assert found.tipping_survival[0] == 0
    assert found.e_value_limit[0] == 1
    assert "the interval holds 1" in found.summary()


@pytest.mark.parametrize("link", ["cloglog", "logit"])
def test_the_case_mix_is_held_at_its_mean_and_adjustment_is_named(link):
    plain, adjusted = contrast(link=link), contrast(link=link, mods={"grade": GRADE})
    assert adjusted.adjusted_for == ("grade",)
    assert abs(math.log(adjusted.ratio[0])) < abs(math.log(plain.ratio[0]))
    shifted = contrast(link=link, mods={"grade": [g + 10 for g in GRADE]})
    assert shifted.reference_survival == pytest.approx(adjusted.reference_survival)
    assert shifted.ratio[0] == pytest.approx(adjusted.ratio[0], rel=1e-6)


def test_positivity_names_levels_without_a_class():
    found = contrast(mods={"site": ["x", "x", "y", "y", "y", "y", "z", "z"], "grade": GRADE})
    table = {(row["covariate"], row["level"]): row for row in found.positivity}
    assert (table["site", "x"]["A"], table["site", "x"]["B"]) == (2, 0)
    assert table["site", "x"]["flag"] == "no arm of B"
    assert table["site", "y"]["flag"] == ""
    assert sum(row["A"] + row["B"] for key, row in table.items() if key[0] == "grade") == 8
    assert "Positivity: site z: no arm of A" in found.summary()


def test_several_arms_of_a_study_are_nested_in_it():
    found = contrast(groups=["a", "b", "c", "d", "a", "e", "f", "e"])
    assert found.fit.model == "multilevel"
    assert found.test_p == pytest.approx(found.p_value[0])  # one class: the same question
    assert "rma.mv" in found.r_script()
    assert contrast().fit.model == "random"
    assert "rma(yi" in contrast().r_script()


def test_it_is_called_an_association_and_never_an_effect():
    text = contrast(mods={"grade": GRADE}).summary()
    assert "ssociation" in text
    assert "effect" not in text.replace("random effects", "")
    assert "hardly possible" in text  # 8 arms for 3 coefficients


def test_from_survival_at():
    pooled = km.survival_at(S, N, time=60, classes=CLASSES)
    found = pooled.contrast("A", {"grade": GRADE})
    assert found.ratio[0] == pytest.approx(contrast(mods={"grade": GRADE}).ratio[0])
    assert found.rows()[0]["class"] == "B"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"reference": "C"}, "no arm is of class 'C'"),
        ({"classes": ["A"] * 8}, "all arms are of one class"),
        ({"classes": ["A"] * 3}, "3 labels for 8"),
        ({"mods": {"surgery": [0, 0, 0, 0, 1, 1, 1, 1]}}, "cannot be told apart"),
        ({"mods": {"grade": GRADE[:3]}}, "3 values for 8"),
        ({"mods": {"grade": [None, *GRADE[1:]]}}, "row 0 is missing"),
        ({"mods": {f"x{i}": list(np.sin(i + np.arange(8))) for i in range(7)}}, "9 coefficients for 8"),
        ({"link": "probit"}, "no link"),
        ({"survival": [70] * 8}, "70"),
    ],
)
def test_what_cannot_be_is_refused(options, words):
    with pytest.raises(InputError, match=words):
        contrast(**options)
