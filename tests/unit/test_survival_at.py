"""Pooled survival at a time."""

import pytest

import kmeta as km
from kmeta.core.errors import InputError

S, N = [0.7, 0.8, 0.6, 0.5, 0.4], [50, 30, 80, 40, 60]


def test_a_class_with_one_arm_a_study_is_a_random_effects_model():
    found = km.survival_at(S, N, time=60, groups=["a", "b", "c", "d", "e"])
    yi, vi = km.effect_sizes("PLO", probability=S, n_effective=N)
    plain = km.random_effects(yi, vi, measure="PLO")
    assert found["all"].effect == plain.effect
    assert found.rows()[0]["studies"] == 5


def test_a_class_with_several_arms_of_a_study_is_a_multilevel_model():
    found = km.survival_at(S, N, time=60, groups=["a", "a", "b", "c", "d"], classes=["X", "X", "X", "Y", "X"])
    assert found["X"].model == "multilevel"
    assert found["X"].test == "t"
    assert found["X"].k_groups == 3
    assert found["Y"].k == 1
    assert found.classes == ("X", "Y")
    with pytest.raises(InputError, match="no class is named"):
        found["Z"]


def test_arms_without_any_or_only_deaths_are_corrected_and_named():
    fit = km.survival_at([0.0, 1.0, 0.5], [10, 20, 30], time=60, labels=["p", "q", "r"])["all"]
    assert fit.warnings[-1].endswith("p, q")
    assert 0 < fit.effect < 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"survival": [0.5, 1.2, 0.1, 0.2, 0.3]}, "1.2"),
        ({"survival": [70, 80, 60, 50, 40]}, "70"),
        ({"n": [10, 0, 10, 10, 10]}, r"n_effective\[1\]"),
        ({"time": -1}, "time is -1"),
        ({"model": "glm"}, "no model is named"),
        ({"groups": ["a"]}, "1 labels for 5"),
    ],
)
def test_what_cannot_be_used_is_refused(change, words):
    options = {"survival": S, "n": N, "time": 60, **change}
    with pytest.raises(InputError, match=words):
        km.survival_at(options.pop("survival"), options.pop("n"), **options)
