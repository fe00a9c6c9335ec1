"""Mantel-Haenszel and Peto pooling: what they must agree with, and what is refused."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kmeta as km
from kmeta.core.errors import InputError

TABLES = {"ai": [4, 6, 3], "n1i": [123, 306, 231], "ci": [11, 29, 11], "n2i": [139, 303, 220]}
RATES = {"x1i": [3, 5, 2], "t1i": [90, 80, 60], "x2i": [6, 4, 5], "t2i": [95, 70, 50]}
cells = st.lists(st.integers(1, 60), min_size=4, max_size=4)


@settings(deadline=None, max_examples=40)
@given(cells, st.integers(2, 5))
def test_copies_of_one_table_pool_to_its_own_value(table, copies):
    a, b, c, d = ([value] * copies for value in table)
    for measure in ("OR", "RR", "RD"):
        fit = km.mantel_haenszel(measure, ai=a, bi=b, ci=c, di=d)
        own = km.effect_sizes(measure, ai=a[:1], bi=b[:1], ci=c[:1], di=d[:1])
        assert fit.mu == pytest.approx(own.yi[0], abs=1e-10)
        assert fit.q == pytest.approx(0, abs=1e-8)
    assert km.mantel_haenszel("OR", ai=a, bi=b, ci=c, di=d).breslow_day == pytest.approx(0, abs=1e-6)


@settings(deadline=None, max_examples=30)
@given(st.permutations(range(3)))
def test_the_order_of_studies_does_not_matter(order):
    mixed = {name: [values[i] for i in order] for name, values in TABLES.items()}
    one, two = km.mantel_haenszel("OR", **TABLES), km.mantel_haenszel("OR", **mixed)
    assert (one.mu, one.se, one.tarone) == pytest.approx((two.mu, two.se, two.tarone))


def test_exchanged_groups_change_the_sign():
    other = {"ai": TABLES["ci"], "n1i": TABLES["n2i"], "ci": TABLES["ai"], "n2i": TABLES["n1i"]}
    for fit, back in (
        (km.mantel_haenszel("OR", **TABLES), km.mantel_haenszel("OR", **other)),
        (km.peto(**TABLES), km.peto(**other)),
    ):
        assert fit.mu == pytest.approx(-back.mu)
        assert fit.se == pytest.approx(back.se)


def test_peto_is_the_inverse_variance_pooling_of_its_own_estimates():
    yi, vi = km.effect_sizes("PETO", **TABLES)
    common, fit = km.common_effect(yi, vi, measure="PETO"), km.peto(**TABLES)
    assert (fit.mu, fit.se, fit.q) == pytest.approx((common.mu, common.se, common.q))


def test_what_a_result_shows():
    fit = km.mantel_haenszel("OR", **TABLES, labels=["A", "B", "C"])
    assert "Cochran-Mantel-Haenszel" in fit.summary()
    assert "Tarone" in fit.summary()
    assert 'rma.mh(measure = "OR"' in fit.r_script()
    assert "rma.peto(" in km.peto(**TABLES).r_script()
    assert fit.weights.sum() == pytest.approx(100)
    without = fit.leave_one_out()
    again = km.mantel_haenszel("OR", **{name: values[1:] for name, values in TABLES.items()})
    assert without.mu[0] == pytest.approx(again.mu)
    assert km.mantel_haenszel("IRR", **RATES).leave_one_out().k == (2, 2, 2)


# R package meta: metainc(x1i, t1i, x2i, t2i, sm = "IRR", method = "Cochran") of dat.hart1999
HART = {
    "x1i": [9, 8, 3, 6, 7, 20],
    "t1i": [413, 263, 487, 237, 489, 507],
    "x2i": [19, 19, 13, 9, 23, 50],
    "t2i": [398, 245, 435, 241, 483, 405],
}


def test_cochrans_weights_against_meta():
    fit = km.mantel_haenszel("IRR", **HART, weighting="cochran")
    assert (fit.mu, fit.se) == pytest.approx((-1.07350051243847, 0.162439901258229), rel=1e-12)
    assert fit.method == "Cochran"
    assert np.isnan(fit.cmh)
    assert "metainc(" in fit.r_script()
    assert "Cochran" in fit.summary()
    assert fit.leave_one_out().k == (5,) * 6


def test_cochrans_weights_are_expected_events():
    """Equal rate ratios are found as they are; a study whose second group had no events has no weight."""
    rates = {"x1i": [4, 8, 5], "t1i": [100, 50, 10], "x2i": [8, 16, 0], "t2i": [100, 50, 10]}
    fit = km.mantel_haenszel("IRR", **rates, weighting="cochran")
    assert fit.effect == pytest.approx(0.5)
    assert fit.weights == pytest.approx([100 / 3, 200 / 3, 0])
    assert fit.se == pytest.approx(math.sqrt(1 / 17 + 1 / 24))


def test_a_study_without_events_is_pooled_but_has_no_estimate():
    table = {"ai": [0, 6], "n1i": [50, 306], "ci": [0, 29], "n2i": [50, 303]}
    fit = km.mantel_haenszel("RD", **table)
    assert (fit.k_tables, fit.k) == (2, 1)
    assert "no estimate of their own" in fit.warnings[0]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: km.mantel_haenszel("MD", **TABLES), "no Mantel-Haenszel method"),
        (lambda: km.mantel_haenszel("OR", **RATES), "no column"),
        (lambda: km.mantel_haenszel("OR", ai=[0], n1i=[9], ci=[0], n2i=[9]), "no events"),
        (lambda: km.mantel_haenszel("OR", **TABLES, add=0.5), "not a pair"),
        (lambda: km.mantel_haenszel("RD", **TABLES, variance="best"), "no variance"),
        (lambda: km.mantel_haenszel("OR", **TABLES, weighting="cochran"), "rate ratios"),
        (lambda: km.mantel_haenszel("IRR", **RATES, weighting="best"), "no weighting"),
        (lambda: km.mantel_haenszel("IRR", **{**RATES, "x2i": [0, 0, 0]}, weighting="cochran"), "no events"),
        (lambda: km.mantel_haenszel("IRR", **{**RATES, "t1i": [0, 1, 1]}), r"t1i\[0\] is 0"),
        (lambda: km.peto(ai=[0], n1i=[9], ci=[0], n2i=[9]), "no table"),
        (lambda: km.peto(ai=[1], n1i=[9], ci=[0]), "give di or n2i"),
    ],
)
def test_what_cannot_be_pooled_is_refused(call, words):
    with pytest.raises(InputError, match=words):
        call()


def test_rates_of_long_follow_up_agree_with_tables_of_rare_events():
    big = 1e6
    tables = {"ai": [30, 12], "n1i": [big, big], "ci": [41, 20], "n2i": [big, big]}
    rates = {"x1i": [30, 12], "t1i": [big, big], "x2i": [41, 20], "t2i": [big, big]}
    assert km.mantel_haenszel("IRR", **rates).mu == pytest.approx(km.mantel_haenszel("RR", **tables).mu)
    assert math.isfinite(km.mantel_haenszel("IRD", **rates).se)
    assert np.isnan(km.mantel_haenszel("IRD", **rates).cmh)
