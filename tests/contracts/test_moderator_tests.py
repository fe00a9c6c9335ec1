"""Categorical moderators, contrasts, marginal means and subgroups: one model seen from several sides."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kmeta as km
from kmeta.core.errors import InputError

Y = [0.1, 0.5, 0.3, 0.9, -0.2, 0.4, 0.8, 0.6]
V = [0.04, 0.02, 0.03, 0.05, 0.06, 0.02, 0.04, 0.03]
ARM = ["b", "a", "c", "a", "b", "c", "a", "b"]
DOSE = [1, 2, 3, 4, 2, 1, 3, 5]


def model(**options):
    return km.random_effects(Y, V, measure="MD", **{"test": "z", **options})


@pytest.mark.parametrize("coding", ["treatment", "sum", "helmert"])
def test_every_coding_is_the_same_model(coding):
    fit = model(mods={"arm": km.category(ARM, coding=coding), "dose": DOSE})
    plain = model(mods={"arm": ARM, "dose": DOSE})
    assert fit.tau2 == pytest.approx(plain.tau2, rel=1e-9)
    np.testing.assert_allclose(fit.predict().mu, plain.predict().mu, rtol=1e-9)
    terms = [term for term in fit.terms if term.startswith("arm")]
    assert fit.wald_test(terms).qm == pytest.approx(plain.wald_test(["arm[b]", "arm[c]"]).qm, rel=1e-8)
    np.testing.assert_allclose(fit.marginal_means("arm").mu, plain.marginal_means("arm").mu, rtol=1e-9)


def test_treatment_coding_compares_with_the_reference():
    fit = model(mods={"arm": km.category(ARM, reference="c")})
    assert fit.terms == ("intercept", "arm[a]", "arm[b]")
    means = fit.marginal_means("arm")
    assert means.labels == ("c", "a", "b")
    assert fit.beta[1] == pytest.approx(means.mu[1] - means.mu[0])
    at = fit.predict({"arm": ["b", "c"]})
    np.testing.assert_allclose(at.mu, means.mu[[2, 0]])
    np.testing.assert_allclose(at.se, means.se[[2, 0]])


def test_sum_coding_is_around_the_mean_of_the_levels():
    fit = model(mods={"arm": km.category(ARM, coding="sum")})
    assert fit.mu == pytest.approx(fit.marginal_means("arm").mu.mean())


def test_marginal_means_hold_the_rest_at_its_mean():
    fit = model(mods={"arm": ARM, "dose": DOSE, "late": [True, False] * 4})
    means = fit.marginal_means("arm")
    halves = [
        fit.predict({"arm": ["a"], "dose": [np.mean(DOSE)], "late": [late]}).mu[0] for late in (True, False)
    ]
    assert means.mu[0] == pytest.approx(np.mean(halves))


def test_one_common_tau2_is_the_regression_on_the_groups():
    fit = model(mods={"arm": ARM})
    got = km.subgroups(Y, V, ARM, measure="MD", test="z", common_tau2=True)
    np.testing.assert_allclose([part.mu for part in got.fits], fit.marginal_means("arm").mu, rtol=1e-9)
    np.testing.assert_allclose([part.se for part in got.fits], fit.marginal_means("arm").se, rtol=1e-9)
    assert got.q_between == pytest.approx(fit.qm, rel=1e-8)
    assert {part.tau2 for part in got.fits} == {fit.tau2}


def test_separate_subgroups_are_the_models_of_their_parts():
    got = km.subgroups(Y, V, ARM, measure="MD")
    for level, fit in zip(got.levels, got.fits, strict=True):
        part = [i for i, arm in enumerate(ARM) if arm == level]
        alone = km.random_effects(np.array(Y)[part], np.array(V)[part], measure="MD")
        assert (fit.mu, fit.tau2) == (alone.mu, alone.tau2)
    assert "fewer than three estimates in c" in got.warnings[0]
    assert got.whole.q == pytest.approx(got.q_within_common + got.q_between_common)
    assert got.rows()[0]["subgroup"] == "a"
    assert "Test of equal effects: chi2(2)" in got.summary()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-2, 2), min_size=3, max_size=3).filter(lambda w: max(map(abs, w)) > 0.1))
def test_a_contrast_is_the_prediction_it_describes(weights):
    fit = model(mods={"dose": DOSE, "late": [0, 1, 0, 1, 1, 0, 0, 1]}, test="hksj")
    got = fit.contrast(weights)
    assert got.estimate[0] == pytest.approx(float(np.dot(weights, fit.beta)))
    assert got.se[0] == pytest.approx(float(np.sqrt(weights @ fit.vcov @ np.array(weights))))
    assert got.qm == pytest.approx((got.estimate[0] / got.se[0]) ** 2)
    assert got.qm_p == pytest.approx(got.p_value[0], abs=1e-12)
    assert got.ci_low[0] <= got.estimate[0] <= got.ci_high[0]


def test_all_moderators_together_are_the_omnibus_test():
    for test in ("z", "knha"):
        fit = model(mods={"dose": DOSE, "arm": ARM}, test=test)
        got = fit.wald_test(fit.terms[1:])
        found, wanted = ((one.qm, one.qm_p, *one.qm_df) for one in (got, fit))
        assert found == pytest.approx(wanted, nan_ok=True)


def test_a_likelihood_ratio_test_and_inflation():
    full = model(mods={"dose": DOSE}, tau2="ML")
    got = full.compare(model(tau2="ML"))
    stats = full.fit_stats()["ML"]["ll"] - model(tau2="ML").fit_stats()["ML"]["ll"]
    assert got.statistic == pytest.approx(2 * stats)
    assert got.df == 1
    assert got.rows()[0]["ll"] == full.fit_stats()["ML"]["ll"]
    assert full.variance_inflation() == pytest.approx({"dose": 1.0})


GOOD = {"measure": "MD", "tau2": "ML"}


@pytest.mark.parametrize(
    ("work", "words"),
    [
        (lambda: model(mods={"arm": ["1", "2", "3", "4", "5", "6", "7", "8"]}), "numbers as text"),
        (lambda: model(mods={"arm": ["a"] * 8}), "two levels"),
        (lambda: model(mods={"arm": ["a", "b"]}), "2 values"),
        (lambda: model(mods={"arm": [*ARM[:7], ""]}), "missing"),
        (lambda: model(mods={"arm": list("abcdefgh")}), "coefficients"),
        (lambda: model(mods={"arm": ARM, "again": ARM}), "combination"),
        (lambda: model(mods={"arm": ARM}).predict({"arm": ["z"]}), "no level"),
        (lambda: model(mods={"arm": ARM}).marginal_means("dose"), "no categorical"),
        (lambda: model().marginal_means("arm"), "no categorical"),
        (lambda: km.category(ARM, coding="polynomial"), "no coding"),
        (lambda: km.category(ARM, reference="z"), "no level"),
        (lambda: km.category("abc"), "flat list"),
        (lambda: km.category([None, "a"]), "missing"),
        (lambda: model().contrast([1]), "no moderators"),
        (lambda: model().variance_inflation(), "no moderators"),
        (lambda: model(mods={"dose": DOSE}).contrast([1, 2, 3]), "2 coefficients"),
        (lambda: model(mods={"dose": DOSE}).contrast([["a", "b"]]), "numbers"),
        (lambda: model(mods={"dose": DOSE}).contrast([[0, 0]]), "coefficients"),
        (lambda: model(mods={"dose": DOSE}).contrast([[1, 2], [2, 4]]), "depend"),
        (lambda: model(mods={"dose": DOSE}).contrast([[1, 2]], ["x", "y"]), "labels"),
        (lambda: model(mods={"dose": DOSE}).wald_test(["year"]), "year"),
        (lambda: model(mods={"dose": DOSE}).wald_test([]), "no coefficient"),
        (lambda: model(mods={"dose": DOSE}).compare(model()), "by ML"),
        (lambda: model(tau2="ML").compare(model(mods={"dose": DOSE}, tau2="ML")), "not within"),
        (
            lambda: model(mods={"dose": DOSE}, tau2="ML").compare(km.random_effects(Y[:7], V[:7], **GOOD)),
            "different estimates",
        ),
        (lambda: km.subgroups(Y, V, ["a"] * 8, measure="MD"), "two levels"),
        (lambda: km.subgroups(Y, V, ["a", "b"], measure="MD"), "2 groups"),
        (lambda: km.subgroups(Y, V, list("abcdefgh"), measure="MD", common_tau2=True), "its own subgroup"),
        (lambda: km.subgroups(Y, [-1] * 8, ARM, measure="MD"), "above 0"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(work, words):
    with pytest.raises(InputError, match=words) as error:
        work()
    assert error.value.where
