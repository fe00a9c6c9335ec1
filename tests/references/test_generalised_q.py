"""The generalised Q: its distribution against closed forms, its intervals against metafor and meta."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

import kmeta as km
from kmeta.core.errors import InputError
from kmeta.methods.meta import TAU2
from kmeta.methods.meta.generalised_q import MOST, chi2_sum, solver
from kmeta.methods.meta.random_effects import kenward_roger

Y = [
    -0.88931133392,
    -1.5853886572,
    -1.3480731483,
    -1.44155119002,
    -0.217547322211,
    -0.786115585819,
    -1.6208982236,
]
Y += [0.0119523335238, -0.469417648738, -1.37134480347, -0.339358828338, 0.445913400571, -0.0173139482169]
V = [0.325584765004, 0.194581121398, 0.415367965368, 0.0200100319022, 0.0512101721696, 0.00690561845591]
V += [
    0.223017247572,
    0.00396157929782,
    0.0564342104632,
    0.073024793613,
    0.0124122139716,
    0.5325058452,
    0.071404659684,
]


@pytest.mark.parametrize("df", [1, 2, 5, 12, 13, 64, 500])
def test_equal_weights_are_a_chi2(df):
    for share in (0.001, 0.025, 0.5, 0.975, 0.999):
        q = float(chi2.ppf(share, df))
        assert chi2_sum(1.7 * q, np.full(df, 1.7)) == pytest.approx(share, abs=1e-11)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.01, 10), min_size=1, max_size=9), st.floats(0.1, 30))
def test_weights_in_pairs_are_a_sum_of_exponentials(pairs, q):
    """Each pair is exponential with mean 2 w: the closed form of their sum when all w differ."""
    w = np.array(pairs)
    gaps = np.abs(w[:, None] / w - 1) + np.eye(len(w))
    if gaps.min() < 0.2:
        return
    share = [np.prod([a / (a - b) for b in w if b != a]) for a in w]
    wanted = 1 - sum(s * math.exp(-q / (2 * a)) for s, a in zip(share, w, strict=True))
    assert chi2_sum(q, np.repeat(w, 2)) == pytest.approx(wanted, abs=1e-10 * (1 + np.abs(share).max()))


def test_the_median_unbiased_estimator_and_the_intervals():
    """metafor 5.0: rma(yi, vi, method = "GENQM", weights = 1/vi), confint() of "GENQ"; meta: method.tau.ci = "J"."""
    fit = km.random_effects(Y, V, measure="RR", tau2="GENQM", weights=1 / np.array(V), test="z")
    assert fit.tau2 == pytest.approx(0.382809496480988, rel=2e-6)
    assert fit.tau2_se == pytest.approx(0.28346686331602, rel=2e-6)
    # the peer's limits stop at its root finder's tolerance: ours solve their equation
    limits = fit.generalised_q_interval()
    assert limits == pytest.approx((0.10105014224068, 1.63607344210885), rel=1e-4)
    share = solver(fit, 1 / fit.vi)
    assert [share(limit) for limit in limits] == pytest.approx([0.975, 0.025], abs=1e-10)
    jackson = fit.generalised_q_interval(fit.vi**-0.5)
    assert jackson == pytest.approx((0.122053348621783, 1.13997884805189), rel=1e-4)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(0.01, 2)), min_size=3, max_size=8))
def test_intervals_are_nested_in_level_and_hold_the_median(rows):
    y, v = np.array(rows).T
    fit = km.random_effects(y, v, measure="GEN", tau2="DL")
    wide, narrow = fit.generalised_q_interval(level=0.99), fit.generalised_q_interval(level=0.5)
    median = TAU2["GENQM"](y, v)
    assert 0 <= wide[0] <= narrow[0] <= median + 1e-12
    assert median <= narrow[1] + 1e-12 <= wide[1] + 2e-12


def test_kenward_and_roger():
    """meta, metagen(method.random.ci = "KR"): se 0.181535636413219, 10.5137107629088 df; predictions with them."""
    fit = km.random_effects(Y, V, measure="RR", test="kr")
    assert fit.se == pytest.approx(0.181535636413219, rel=1e-7)
    assert fit.df == pytest.approx(10.5137107629088, rel=1e-6)
    assert fit.ci_low == pytest.approx(-1.11635595183724, rel=1e-6)
    assert fit.predict(pi="t").pi_low[0] == pytest.approx(-2.01690753497856, rel=1e-6)
    assert fit.predict(pi="riley").pi_low[0] == pytest.approx(-2.03467907057383, rel=1e-6)
    assert fit.pi_low == fit.predict().pi_low[0]
    assert kenward_roger(fit.vi, fit.tau2) == pytest.approx((fit.se**2, fit.df), rel=1e-14)
    assert fit.leave_one_out().mu[0] == km.random_effects(Y[1:], V[1:], measure="RR", test="kr").mu
    assert "Kenward-Roger" in fit.summary()
    with pytest.raises(InputError, match="metafor"):
        fit.r_script()


def test_few_degrees_of_freedom_are_named():
    """The four trials of a set without heterogeneity: 0.04 df, an interval of astronomic width in the peer."""
    fit = km.random_effects([0.1, 0.12, -0.3], [0.01, 0.9, 0.8], measure="RR", test="kr")
    assert fit.df < 1
    assert "degrees of freedom" in fit.warnings[0]


def test_the_wider_interval_of_two():
    same = {"measure": "MD"}
    flat = km.random_effects([0.1, 0.11, 0.12, 0.1], [0.04] * 4, test="wider", **same)
    assert flat.test == "z"
    spread = km.random_effects([0.1, 0.9, -0.8, 0.4], [0.04] * 4, test="wider", **same)
    assert spread.test == "knha"


@pytest.mark.parametrize(
    ("work", "words"),
    [
        (lambda: km.random_effects(Y, V, measure="RR", test="kr", tau2="DL"), "REML"),
        (lambda: km.random_effects(Y, V, measure="RR", test="kr", weights=V), "REML"),
        (lambda: km.random_effects(Y, V, measure="RR", test="kr").gosh(), "kr"),
        (lambda: km.random_effects(Y, V, measure="RR").generalised_q_interval([1, 2]), "2 weights"),
        (lambda: km.random_effects(Y, V, measure="RR").generalised_q_interval(level=95), "level"),
        (
            lambda: km.random_effects(
                np.arange(MOST + 1.0), np.ones(MOST + 1), measure="MD"
            ).generalised_q_interval(),
            "at most 2000",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(work, words):
    with pytest.raises(InputError, match=words) as error:
        work()
    assert error.value.where


@pytest.mark.parametrize("q", [5e-324, 1e-310, 1e-250])
def test_a_q_next_to_nothing_has_no_share_below_it(q):
    assert chi2_sum(q, np.array([1.0, 0.5])) == 0
    assert chi2_sum(1e-190, np.array([1.0])) == pytest.approx(math.sqrt(2e-190 / math.pi), rel=1e-10)
