"""The pooled model: what must hold for any data, and what is said about data that cannot be used."""

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kmeta as km
from kmeta.core.errors import InputError
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.meta.sample import LONG, dot

studies = st.lists(st.tuples(st.floats(-3, 3), st.floats(0.01, 2)), min_size=1, max_size=10)
hostile = st.lists(
    st.tuples(st.floats(-1e6, 1e6), st.floats(-12, 12).map(lambda e: 10.0**e)), min_size=1, max_size=8
)
tests = st.sampled_from(["z", "t", "hksj", "knha"])
YI, VI = [-0.5, -0.2, -0.9, 0.3, -0.4], [0.04, 0.02, 0.09, 0.05, 0.03]


def pool(rows, **options):
    yi, vi = zip(*rows, strict=True)
    return km.random_effects(yi, vi, **{"measure": "MD", **options})


@settings(max_examples=150, deadline=None)
@given(hostile, tests)
def test_any_numbers_that_may_enter_give_a_whole_result(rows, test):
    fit = pool(rows, test=test)
    assert fit.converged
    assert math.isfinite(fit.mu)
    assert fit.tau2 >= 0
    assert fit.weights.sum() == pytest.approx(100)
    assert (
        min(fit.yi) - 1e-9 * (1 + abs(min(fit.yi))) <= fit.mu <= max(fit.yi) + 1e-9 * (1 + abs(max(fit.yi)))
    )
    if fit.k == 1:
        assert (fit.mu, fit.test, fit.se) == (fit.yi[0], "z", pytest.approx(math.sqrt(fit.vi[0])))
    else:
        assert 0 <= fit.i2 <= 1
        assert fit.tau2_low <= fit.tau2_high
    assert math.isnan(fit.pi_low) == (fit.k < 3)


@settings(max_examples=60, deadline=None)
@given(studies, tests, st.floats(0.1, 10), st.floats(-3, 3))
def test_units_and_origin(rows, test, unit, origin):
    here = pool(rows, test=test)
    there = pool([(unit * y + origin, unit**2 * v) for y, v in rows], test=test)
    for name in ("mu", "ci_low", "ci_high", "pi_low", "pi_high"):
        expected = unit * getattr(here, name) + origin
        assert getattr(there, name) == pytest.approx(expected, rel=1e-6, abs=1e-7, nan_ok=True)
    assert there.i2 == pytest.approx(here.i2, abs=1e-6, nan_ok=True)


@settings(max_examples=60, deadline=None)
@given(studies, tests, st.randoms(use_true_random=False))
def test_order_does_not_matter(rows, test, random):
    mixed = rows[:]
    random.shuffle(mixed)
    a, b = pool(rows, test=test), pool(mixed, test=test)
    for name in ("mu", "se", "tau2", "tau2_low", "tau2_high", "q"):
        assert getattr(a, name) == pytest.approx(getattr(b, name), rel=1e-6, abs=1e-9, nan_ok=True)


@settings(max_examples=60, deadline=None)
@given(studies)
def test_hksj_is_never_narrower_than_z(rows):
    z, hksj = pool(rows, test="z"), pool(rows, test="hksj")
    assert hksj.ci_high - hksj.ci_low >= (z.ci_high - z.ci_low) * (1 - 1e-12)


@settings(max_examples=60, deadline=None)
@given(studies, tests)
def test_intervals_are_nested_in_the_level(rows, test):
    inner, outer = pool(rows, test=test, level=0.8), pool(rows, test=test, level=0.95)
    assert outer.ci_low <= inner.ci_low <= inner.ci_high <= outer.ci_high
    if inner.k > 1:
        assert outer.tau2_low <= inner.tau2_low <= inner.tau2_high <= outer.tau2_high


def test_knha_may_be_narrower_than_z_where_studies_agree_too_well():
    rows = [(0.10, 0.04), (0.11, 0.05), (0.09, 0.04), (0.10, 0.06)]
    assert pool(rows, test="knha").se < pool(rows, test="z").se == pytest.approx(pool(rows, test="hksj").se)
    assert km.random_effects(*zip(*rows, strict=True), measure="MD", test="adhoc").test == "hksj"


def test_two_studies_are_pooled_with_a_warning_and_without_a_prediction_interval():
    fit = pool([(0.5, 0.04), (-0.2, 0.09)])
    assert math.isnan(fit.pi_low)
    assert "two estimates" in fit.warnings[0]
    assert math.isfinite(fit.predict().pi_low[0])


def test_the_extremes_keep_their_digits():
    """One study known to 1e-12 beside vague ones: the pooled value is the study's, the others do not blur it."""
    fit = km.common_effect([0.3, 5.0, -7.0], [1e-24, 1.0, 1e12], measure="MD")
    assert fit.mu == pytest.approx(0.3, rel=1e-15)
    assert fit.se == pytest.approx(1e-12, rel=1e-12)
    assert fit.q == pytest.approx(4.7**2 + 7.3**2 / 1e12, rel=1e-12)


def test_one_huge_outlier_is_absorbed_by_tau2():
    fit = pool([(0.0, 0.1), (0.1, 0.2), (-0.1, 0.1), (1e6, 0.1)], test="z")
    assert fit.tau2 == pytest.approx(np.var([0.0, 0.1, -0.1, 1e6], ddof=1), rel=1e-6)
    assert fit.i2 == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(
    ("yi", "vi", "options", "words"),
    [
        ([0.1, 0.2], [0.1], {}, "yi has 2 values, vi has 1"),
        ([], [], {}, "shape"),
        ([0.1, 0.2], [0.1, 0.0], {}, r"vi\[1\] is 0, must be above 0"),
        ([0.1, 0.2], [0.1, -1], {}, r"vi\[1\] is -1"),
        ([0.1, math.nan], [0.1, 0.1], {}, r"yi\[1\] is nan"),
        ([0.1, math.inf], [0.1, 0.1], {}, r"yi\[1\] is inf"),
        ([0.1, None], [0.1, 0.1], {}, r"yi\[1\] is nan"),
        (["a", "b"], [0.1, 0.1], {}, "not a number"),
        ([[0.1, 0.2]], [[0.1, 0.1]], {}, "shape"),
        ([0.1, 0.2], [0.1, 0.1], {"level": 95}, "level is 95"),
        ([0.1, 0.2], [0.1, 0.1], {"test": "HKSJ"}, "no test is named 'HKSJ'"),
        ([0.1, 0.2], [0.1, 0.1], {"pi": "HTS"}, "no pi is named"),
        ([0.1, 0.2], [0.1, 0.1], {"tau2": -1.0}, "tau2 is -1.0"),
        ([0.1, 0.2], [0.1, 0.1], {"weights": [1]}, "1 weights for 2"),
        ([0.1, 0.2], [0.1, 0.1], {"weights": [0, 0]}, "not all 0"),
        ([0.1, 0.2], [0.1, 0.1], {"labels": ["a"]}, "1 labels for 2"),
        ([0.1, 0.2, 0.3], [1, 1, 1], {"mods": {"a": [1, 2]}}, "'a' has 2 values for 3"),
        ([0.1, 0.2, 0.3, 0.5], [1, 1, 1, 1], {"mods": {"a": [1, 2, 3, 4], "b": [2, 4, 6, 8]}}, "combination"),
        ([0.1, 0.2, 0.3], [1, 1, 1], {"mods": {"a": [1, 2, 4], "b": [1, 0, 1]}}, "3 coefficients for 3"),
        ([0.1, 1e-3], [1e-80, 1e80], {}, "150 orders"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(yi, vi, options, words):
    with pytest.raises(InputError, match=words) as error:
        km.random_effects(yi, vi, **{"measure": "MD", **options})
    assert error.value.where


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(0.01, 2)), min_size=3, max_size=7))
def test_leave_one_out_and_cumulative_are_refits(rows):
    fit = pool(rows, labels=[f"S{i}" for i in range(len(rows))])
    out, grown = fit.leave_one_out(), fit.cumulative()
    for i in range(len(rows)):
        again = pool(rows[:i] + rows[i + 1 :])
        found = (out.mu[i], out.tau2[i], out.ci_low[i], out.q[i])
        wanted = (again.mu, again.tau2, again.ci_low, again.q)
        assert found == pytest.approx(wanted, rel=1e-10, abs=1e-10)
    assert out.labels[0] == "S0"
    assert grown.mu[-1] == pytest.approx(fit.mu, rel=1e-10, abs=1e-10)
    assert grown.k == tuple(range(1, len(rows) + 1))


def test_cumulative_by_year_takes_the_oldest_first():
    grown = km.random_effects(YI, VI, measure="HR", labels=list("abcde")).cumulative(
        order=[2001, 1999, 2010, 1999, 1990]
    )
    assert grown.labels == ("e", "b", "d", "a", "c")


def test_moderators_take_names_predict_and_are_tested():
    x = [1970, 1980, 1990, 2000, 2010]
    fit = km.random_effects(YI, VI, measure="HR", mods={"year": x})
    assert fit.terms == ("intercept", "year")
    assert [row["term"] for row in fit.rows()] == ["intercept", "year"]
    assert fit.qm == pytest.approx((fit.beta[1] ** 2) / fit.vcov[1, 1])
    assert fit.qm_df == (1.0, 3.0)
    at = fit.predict({"year": [1970, 2010]})
    assert at.mu.tolist() == pytest.approx(fit.predict().mu[[0, 4]].tolist())
    with pytest.raises(InputError, match="columns"):
        fit.predict({"jahr": [1970]})
    with pytest.raises(InputError, match="without moderators"):
        fit.leave_one_out()


def test_a_far_origin_of_a_moderator_changes_nothing_but_the_intercept():
    near = km.random_effects(YI, VI, measure="HR", mods={"t": [0, 1, 2, 3, 4]})
    far = km.random_effects(YI, VI, measure="HR", mods={"t": [1e6, 1e6 + 1, 1e6 + 2, 1e6 + 3, 1e6 + 4]})
    assert far.beta[1] == pytest.approx(near.beta[1], rel=1e-6)
    assert far.tau2 == pytest.approx(near.tau2, rel=1e-6, abs=1e-9)


def test_the_summary_names_both_scales_and_what_was_done():
    text = km.random_effects(YI, VI, measure="HR").summary()
    for words in (
        "hazard ratio (HR), k = 5",
        "log scale",
        "REML",
        "Hartung-Knapp",
        "Q(4)",
        "I2",
        "prediction",
    ):
        assert words in text
    assert "z = " in km.common_effect(YI, VI, measure="PLO").summary()
    assert "logit scale" in km.common_effect(YI, VI, measure="PLO").summary()


def test_natural_scale_is_the_back_transformed_analysis_scale():
    fit = km.random_effects(YI, VI, measure="HR")
    assert fit.effect == math.exp(fit.mu)
    assert fit.effect_ci == (math.exp(fit.ci_low), math.exp(fit.ci_high))
    assert km.random_effects([800.0] * 3, [1.0] * 3, measure="PLO").effect == 1.0


def test_the_result_is_frozen_and_goes_into_json():
    fit = km.random_effects(YI, VI, measure="HR")
    with pytest.raises(dataclasses.FrozenInstanceError):
        fit.mu = 0
    with pytest.raises(ValueError, match="read-only"):
        fit.yi[0] = 3
    assert json.loads(json.dumps(fit.to_dict()))["measure"] == "HR"
    assert "<table>" in fit._repr_html_()


def test_labels_cannot_break_out_of_the_r_script():
    labels = ['a"); system("x"); c("', "back\\slash", "line\nbreak", "Ünal", "#"]
    script = km.random_effects(YI, VI, measure="HR", labels=labels).r_script()
    assert '"a\\"); system(\\"x\\"); c(\\""' in script
    assert '"back\\\\slash"' in script
    assert "line\nbreak" not in script
    assert 'method = "REML", test = "adhoc"' in script


def test_every_field_of_the_contract_is_there():
    """Plots and synthesis are written against these names."""
    fields = {field.name for field in dataclasses.fields(MetaFit)}
    names = """yi vi measure method test level mu se ci_low ci_high pi_low pi_high statistic df p_value tau2 tau2_low
    tau2_high i2 h2 q q_df q_p weights converged"""
    assert fields >= set(names.split())


def test_long_and_short_vectors_are_summed_alike():
    """Past LONG numbers the sums take another way: a set repeated often has the tau2 that makes its own score 0."""
    y, v = np.array([0.1, 0.5, 0.9, -0.2, 0.3]), np.array([0.02, 0.03, 0.05, 0.01, 0.04])
    times = LONG // 5 + 1
    a, b = np.tile(y, times), np.tile(v, times)
    assert dot(a, b) == pytest.approx(math.fsum((a * b).tolist()), rel=1e-13)
    many, some = (
        km.random_effects(np.tile(y, t), np.tile(v, t), measure="GEN", tau2="ML", test="knha")
        for t in (times, 10)
    )
    assert many.tau2 == pytest.approx(some.tau2, rel=1e-9)  # ML of copies is ML of one
    assert many.mu == pytest.approx(some.mu, rel=1e-12)
    assert many.se * math.sqrt((5 * times - 1) / (50 - 1)) == pytest.approx(
        some.se, rel=1e-9
    )  # Hartung and Knapp's
    assert many.q == pytest.approx(some.q * times / 10, rel=1e-12)
