"""Small-study and selection bias: what must hold for any data, and the numerics against slow, plain computations."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import kendalltau, norm

import kmeta as km
from kmeta.core.errors import ConvergenceError, InputError
from kmeta.methods.meta.excess_significance import counts
from kmeta.methods.meta.henmi_copas import Conditional
from kmeta.methods.meta.rank_test import exact_p, kendall
from kmeta.methods.meta.selection_functions import FAMILIES, step_family
from kmeta.methods.meta.selection_likelihood import Selected

Y = np.array([0.51, 0.22, 0.93, 1.24, 0.11, -0.12, 0.38, 0.71])
V = np.array([0.04, 0.02, 0.09, 0.2, 0.05, 0.01, 0.03, 0.11])
FIT = km.random_effects(Y, V, measure="GEN", tau2="ML", test="z")
studies = st.lists(
    st.tuples(st.floats(-3, 3), st.floats(0.01, 2)), min_size=4, max_size=12, unique_by=lambda row: row[1]
)


@settings(max_examples=40, deadline=None)
@given(studies, st.floats(0.1, 10))
def test_a_scale_changes_no_test(rows, unit):
    y, v = np.array(rows).T
    for options in ({"method": "Egger"}, {"method": "Thompson-Sharp"}):
        here, there = km.regtest(y, v, **options), km.regtest(unit * y, unit**2 * v, **options)
        assert there.statistic == pytest.approx(here.statistic, rel=1e-6, abs=1e-7)
    assert km.ranktest(-y, v).tau == pytest.approx(-km.ranktest(y, v).tau)


@settings(max_examples=25, deadline=None)
@given(studies)
def test_trim_fill_of_the_mirror_image(rows):
    y, v = np.array(rows).T
    if len(set(y.tolist())) < len(y):
        return
    one = km.common_effect(y, v, measure="GEN")
    other = km.common_effect(-y, v, measure="GEN")
    try:
        left = km.trim_fill(one, side="left")
    except ConvergenceError:
        return
    right = km.trim_fill(other, side="right")
    assert (left.k0, left.fit.mu) == pytest.approx((right.k0, -right.fit.mu))
    assert sum(left.filled) == left.k0 == left.fit.k - len(y)
    np.testing.assert_array_equal(left.fit.yi[: len(y)], y)


def test_exact_p_of_kendall_counts_all_orders():
    scores = []
    for order in itertools.permutations(range(6)):
        scores.append(int(kendall(np.arange(6.0), np.array(order, dtype=float))[1]))
    scores = np.array(scores)
    for score in sorted(set(scores.tolist())):
        tail = min(np.mean(scores <= score), np.mean(scores >= score))
        assert exact_p(score, 6) == pytest.approx(min(1, 2 * tail), abs=1e-14)


def test_ties_have_the_corrected_normal_approximation():
    a, b = np.array([1.0, 2, 2, 3, 5, 4]), np.array([1.0, 1, 3, 2, 2, 7])
    tau, score, se, ties = kendall(a, b)
    peer = kendalltau(a, b, method="asymptotic")
    assert ties
    assert (tau, 2 * norm.sf(abs(score / se))) == pytest.approx((peer.statistic, peer.pvalue))


def test_counts_of_unequal_trials():
    power = np.array([0.1, 0.5, 0.7, 0.2])
    share = np.zeros(5)
    for seen in itertools.product((0, 1), repeat=4):
        share[sum(seen)] += np.prod([p if s else 1 - p for p, s in zip(power, seen, strict=True)])
    np.testing.assert_allclose(counts(power), share, atol=1e-15)


def test_general_fail_safe_n_is_the_smallest():
    from kmeta.methods.meta.fail_safe import _with

    done = km.fail_safe_n(Y, V, kind="General")
    typical = len(V) / np.sum(1 / V)
    p = [_with(n, Y, V, done.mu, done.tau2, typical, False)[2] for n in (done.n - 1, done.n)]
    assert p[0] < done.alpha <= p[1]
    assert done.p_with == p[1]


def test_henmi_copas_moments_are_those_of_the_normal_quadratic_form():
    """E and var of Q given the mean's error, by matrix algebra on the conditional normal distribution."""
    w, tau2 = np.array([1.0, 3.0, 0.7, 2.2]), 0.6
    k, total = len(w), w.sum()
    cov = np.diag(1 / w + tau2)
    proj = np.diag(w) - np.outer(w, w) / total
    a = w / math.sqrt(total)
    moments = Conditional(w, tau2)
    assert a @ cov @ a == pytest.approx(moments.variance)
    for r in (0.0, 0.8, 2.5):
        centre = cov @ a * r / moments.variance
        rest = cov - np.outer(cov @ a, cov @ a) / moments.variance
        mean = np.trace(proj @ rest) + centre @ proj @ centre
        variance = 2 * np.trace(proj @ rest @ proj @ rest) + 4 * centre @ proj @ rest @ proj @ centre
        assert moments.mean_of_q(r) == pytest.approx(mean)
        assert moments.variance_of_q(r) == pytest.approx(variance)
    assert k == moments.k


CASES = [
    ("halfnorm", FAMILIES["halfnorm"], [2.0], lambda p: math.exp(-2 * p * p)),
    ("negexp", FAMILIES["negexp"], [3.0], lambda p: math.exp(-3 * p)),
    ("logistic", FAMILIES["logistic"], [3.0], lambda p: 2 * math.exp(-3 * p) / (1 + math.exp(-3 * p))),
    ("power", FAMILIES["power"], [1.5], lambda p: (1 - p) ** 1.5),
    ("beta", FAMILIES["beta"], [1.3, 1.6], lambda p: p**0.3 * (1 - p) ** 0.6),
    ("step", step_family(np.array([0.025, 1.0])), [math.log(0.4)], lambda p: 1.0 if p <= 0.025 else 0.4),
]


@pytest.mark.parametrize(("name", "family", "delta", "weight"), CASES, ids=[case[0] for case in CASES])
@pytest.mark.parametrize("two_sided", [False, True])
def test_selection_likelihood_and_its_derivatives(name, family, delta, weight, two_sided):
    edges = [1.959963984540054, -1.959963984540054] if name == "step" and not two_sided else []
    edges = [2.241402727604947, -2.241402727604947] if name == "step" and two_sided else edges
    model = Selected(Y, V, np.ones((len(Y), 1)), family, np.array(edges), two_sided=two_sided)
    theta = np.array([0.2, 0.07, *delta])

    def p_of(y, v):
        z = y / math.sqrt(v)
        return float(2 * norm.sf(abs(z)) if two_sided else norm.sf(z))

    expected = 0.0
    for y, v in zip(Y, V, strict=True):
        sd = math.sqrt(v + 0.07)
        breaks = sorted({0.0, *(edge * math.sqrt(v) for edge in edges)})
        ends = [0.2 - 12 * sd, *breaks, 0.2 + 12 * sd]
        area = sum(
            quad(
                lambda x, v=v, sd=sd: weight(p_of(x, v)) * norm.pdf(x, 0.2, sd), a, b, epsabs=1e-13, limit=200
            )[0]
            for a, b in itertools.pairwise(ends)
        )
        expected += math.log(weight(p_of(y, v))) + norm.logpdf(y, 0.2, sd) - math.log(area)
    here = model.height(theta)
    assert here.value == pytest.approx(expected, rel=1e-9)
    for j in range(len(theta)):
        step = np.zeros(len(theta))
        step[j] = 1e-5
        up, down = model.height(theta + step), model.height(theta - step)
        assert here.gradient[j] == pytest.approx((up.value - down.value) / 2e-5, rel=1e-5, abs=1e-6)
        np.testing.assert_allclose(
            here.hessian[j], (up.gradient - down.gradient) / 2e-5, rtol=1e-5, atol=1e-5
        )


def test_no_selection_is_the_model_itself():
    for options in ({"steps": [0.025, 1], "delta": [1, 1]}, {"kind": "negexp", "delta": [0]}):
        done = km.selection_model(FIT, **options)
        assert (done.mu, done.tau2) == pytest.approx((FIT.mu, FIT.tau2), rel=1e-6)
        assert done.log_likelihood == pytest.approx(done.log_likelihood0)
        assert (done.lrt, done.lrt_df) == (pytest.approx(0, abs=1e-9), 0)


def test_less_is_greater_of_the_mirror_image():
    mirror = km.random_effects(-Y, V, measure="GEN", tau2="ML", test="z")
    here, there = km.selection_model(FIT), km.selection_model(mirror, alternative="less")
    assert (there.mu, there.tau2, there.delta[1]) == pytest.approx((-here.mu, here.tau2, here.delta[1]))


def test_a_likelihood_without_a_maximum_is_said_to_have_none():
    rng = np.random.default_rng(3)
    v = rng.uniform(0.005, 0.3, 15)
    y = np.abs(rng.normal(0.1, 0.3, 15)) + 2 * np.sqrt(v)
    fit = km.random_effects(y, v, measure="GEN", tau2="ML")
    with pytest.raises(InputError, match="no study in some interval"):
        km.selection_model(fit, steps=[0.5])


def test_moderators_enter_a_selection_model():
    x = np.array([0.0, 1, 0, 1, 1, 0, 1, 0])
    fit = km.random_effects(Y, V, measure="GEN", mods={"x": x}, tau2="ML", test="z")
    done = km.selection_model(fit)
    assert [row["term"] for row in done.rows()][:3] == ["intercept", "x", "tau2"]
    assert np.isfinite(done.vcov).all()


BAD = [
    (lambda: km.regtest([1, 2], [1, 2]), "3 estimates"),
    (lambda: km.regtest([1, 2, 3], [1, 1, 1]), "the same in all"),
    (lambda: km.regtest(Y, V, predictor="ni"), "sample sizes"),
    (lambda: km.regtest(Y, V, predictor="ni", ni=[1, 2]), "2 sizes for 8"),
    (lambda: km.regtest(Y, V, method="Eger"), "Eger"),
    (lambda: km.regtest(Y, -V), "above 0"),
    (lambda: km.regtest(["a"] * 3, V[:3]), "not a number"),
    (lambda: km.ranktest(Y[:2], V[:2]), "3 estimates"),
    (lambda: km.ranktest([1, 1, 2], [1, 1, 2], exact=True), "exact"),
    (lambda: km.trim_fill(km.common_effect(Y[:2], V[:2], measure="GEN")), "3 estimates"),
    (lambda: km.trim_fill(FIT, estimator="X"), "L0"),
    (lambda: km.trim_fill(FIT, side="up"), "left"),
    (lambda: km.pet_peese(Y[:2], V[:2]), "3 estimates"),
    (lambda: km.pet_peese(Y, np.ones(8)), "equal"),
    (lambda: km.fail_safe_n(Y, V, kind="X"), "Rosenthal"),
    (lambda: km.fail_safe_n(Y, V, target=1.0), "target"),
    (lambda: km.excess_significance(Y, V, test="X"), "exact"),
    (lambda: km.excess_significance(Y, V, alpha=2), "alpha"),
    (lambda: km.excess_significance(Y, V, theta=math.nan), "theta"),
    (lambda: km.henmi_copas(km.common_effect([1.0], [1.0], measure="GEN")), "one estimate"),
    (lambda: km.selection_model(FIT, kind="X"), "beta"),
    (lambda: km.selection_model(FIT, steps=[2]), "steps"),
    (lambda: km.selection_model(FIT, delta=[1, 2, 3]), "3 values for 2"),
    (lambda: km.selection_model(FIT, delta=[2, 0.5]), "first delta"),
]


@pytest.mark.parametrize(("call", "word"), BAD, ids=[str(i) for i in range(len(BAD))])
def test_bad_input_is_named(call, word):
    with pytest.raises(InputError, match=word):
        call()


def test_every_result_can_be_read():
    results = [
        km.regtest(Y, V),
        km.ranktest(Y, V),
        km.pet_peese(Y, V, model="rma"),
        km.trim_fill(FIT),
        km.fail_safe_n(Y, V, kind="General"),
        km.excess_significance(Y, V),
        km.henmi_copas(FIT),
        km.selection_model(FIT),
    ]
    for result in results:
        assert result.summary()
        assert result.rows()
        assert isinstance(result.to_dict(), dict)
        if hasattr(result, "r_script"):
            assert result.r_script().startswith("library(metafor)")


def test_limit_of_data_on_its_own_line():
    """Estimates made as beta + alpha sqrt(v + tau2), without error, give back beta + tau alpha."""
    tau2 = 0.04
    y = 0.2 + 1.5 * np.sqrt(V + tau2)
    found = km.limit_meta(km.random_effects(y, V, measure="GEN", tau2=tau2, test="z"))
    assert (found.beta, found.alpha, found.mu) == pytest.approx((0.2, 1.5, 0.2 + 1.5 * 0.2))


def test_limit_meta_is_the_regression_with_known_error():
    fit = km.random_effects(Y, V, measure="GEN", tau2="DL", test="z")
    found = km.limit_meta(fit)
    se = np.sqrt(V + fit.tau2)
    slope, intercept = np.polyfit(1 / se, Y / se, 1)
    assert (found.beta, found.alpha) == pytest.approx((slope, intercept))
    w = 1 / se**2
    centred = np.sum((1 / se - np.mean(1 / se)) ** 2)
    variance = (1 + fit.tau2 * w.mean() - 2 * fit.tau * np.mean(1 / se)) / centred
    assert found.se == pytest.approx(math.sqrt(variance))
    assert found.q_small + found.q_rest == pytest.approx(found.q)
    assert 0 <= found.g2 <= 1


def test_doi_plot_of_symmetric_data_has_no_asymmetry():
    y, v = np.array([-2.0, -1, 0, 1, 2]), np.array([0.3, 0.1, 0.02, 0.1, 0.3])
    assert abs(km.doi_plot(y, v).lfk) < 0.05
    assert km.doi_plot(y, v).asymmetry == "no"
    here, there = km.doi_plot(Y, V), km.doi_plot(10 * Y + 3, 100 * V)
    assert there.lfk == pytest.approx(here.lfk)


def test_p_curve_is_flat_without_an_effect_and_finds_the_power():
    rng = np.random.default_rng(11)
    null = km.p_curve(rng.normal(size=40_000), np.ones(40_000))
    assert abs(null.right_full_z) < 4
    assert null.power == pytest.approx(0.05, abs=0.02)
    np.testing.assert_allclose(null.shares, 0.2, atol=0.03)
    true = km.p_curve(rng.normal(2.0, 1, 4000), np.ones(4000))
    power = norm.sf(1.959964 - 2) + norm.cdf(-1.959964 - 2)
    assert true.power == pytest.approx(power, abs=0.03)
    assert true.power_low < power < true.power_high
    assert true.evidential
    assert math.isnan(km.p_curve([0.1], [1.0]).right_full_z)


A, N1, C, N2 = [4, 6, 3, 62, 0], [123, 306, 231, 13598, 50], [11, 29, 11, 248, 2], [139, 303, 220, 12867, 60]


def test_egger_of_tables_is_egger_of_their_odds_ratios():
    logs, variances = [], []
    for a, n1, c, n2 in zip(A, N1, C, N2, strict=True):
        cells = np.array([a, n1 - a, c, n2 - c]) + (0.5 if a == 0 else 0)
        logs.append(math.log(cells[0] * cells[3] / cells[1] / cells[2]))
        variances.append(float(np.sum(1 / cells)))
    tables = km.regtest_2x2(A, N1, C, N2, method="Egger")
    assert tables.statistic == pytest.approx(km.regtest(logs, variances, method="Egger").statistic)


def test_tables_that_tell_nothing_are_left_out_by_name():
    found = km.regtest_2x2([*A, 0], [*N1, 20], [*C, 0], [*N2, 20], method="Peters")
    assert any("study 6" in text for text in found.warnings)
    assert found.statistic == km.regtest_2x2(A, N1, C, N2, method="Peters").statistic
    for bad, word in (
        ((A, N1, C, N2[:2]), "values"),
        (([-1, 2, 3], [9] * 3, [1] * 3, [9] * 3), "below 0"),
        (([99, 2, 3], [9] * 3, [1] * 3, [9] * 3), "more events"),
    ):
        with pytest.raises(InputError, match=word):
            km.regtest_2x2(*bad)
    with pytest.raises(InputError, match="Harbord"):
        km.regtest_2x2(A, N1, C, N2, method="Harbort")


# R package meta: metabias(metabin(ai, n1i, ci, n2i, sm = "OR"), method.bias = ...) of dat.bcg
BCG = (
    [4, 6, 3, 62, 33, 180, 8, 505, 29, 17, 186, 5, 27],
    [123, 306, 231, 13598, 5069, 1541, 2545, 88391, 7499, 1716, 50634, 2498, 16913],
    [11, 29, 11, 248, 47, 372, 10, 499, 45, 65, 141, 3, 29],
    [139, 303, 220, 12867, 5808, 1451, 629, 88391, 7277, 1665, 27338, 2341, 17854],
)
META = {
    "Peters": (-1.36247619939701, 0.200291792284136),
    "Harbord": (-1.25647434404506, 0.234971952122066),
    "Deeks": (-1.8018125229584, 0.0990159313702874),
    "Macaskill": (4.7114857245961, 0.000638170187086762),
    "Egger": (-1.50695069669431, 0.159991485084265),
}


@pytest.mark.parametrize("method", sorted(META))
def test_tables_against_meta(method):
    found = km.regtest_2x2(*BCG, method=method)
    assert (found.statistic, found.p_value) == pytest.approx(META[method], rel=1e-6)


# the same call with method.bias = "Schwarzer", "Begg" (statistic, P value, score, its error)
META_RANKS = {
    "Schwarzer": (0.366053325651938, 0.71432528466629, 6, 16.391054470859),
    "Begg": (0.122017775217313, 0.90288494086971, 2, 16.391054470859),
}
# of dat.nielweise2007: empty cells, and a table without events
SPARSE = (
    [0, 1, 2, 0, 5, 1, 1, 1, 1, 1, 0, 0, 3, 6, 0, 0, 1, 4],
    [116, 44, 208, 130, 151, 98, 174, 74, 97, 113, 66, 70, 188, 187, 118, 252, 345, 64],
    [3, 3, 9, 7, 6, 4, 3, 2, 19, 2, 7, 1, 5, 11, 0, 1, 3, 1],
    [117, 35, 195, 136, 157, 139, 177, 39, 103, 122, 64, 58, 175, 180, 105, 262, 362, 69],
)


@pytest.mark.parametrize("method", sorted(META_RANKS))
def test_ranks_of_tables_against_meta(method):
    found = km.ranktest_2x2(*BCG, method=method, exact=False)
    values = (found.score / found.score_se, found.p_value, found.score, found.score_se)
    assert values == pytest.approx(META_RANKS[method], rel=1e-10)


def test_ranks_of_sparse_tables_against_meta():
    """R's meta corrects the empty cells for its odds ratio only; 24.276 is the score's error for 17 tables."""
    a, n1, c, n2 = (np.array(column, dtype=float) for column in SPARSE)
    names = {"ai": a, "n1i": n1, "ci": c, "n2i": n2}
    corrected = km.mantel_haenszel("OR", **names, add=(0.5, 0.5), to=("only0", "only0"), drop00=(True, True))
    found = km.ranktest_2x2(*SPARSE, odds_ratio=math.exp(corrected.mu), exact=False)
    assert (found.k, found.score) == (17, -6)
    assert (found.score_se, found.p_value) == pytest.approx((24.2761886080442, 0.804787676777998), rel=1e-10)
    assert "left out study 15" in found.warnings[0]
    assert km.ranktest_2x2(*SPARSE).score == -8  # with the odds ratio of the counts as they are
    begg = km.ranktest_2x2(*SPARSE, method="Begg", exact=False)
    assert (begg.score, begg.p_value) == pytest.approx((-40, 0.0994131991156691), rel=1e-10)


def test_schwarzers_moments_are_those_of_all_tables_with_the_margins():
    a, n1, c, n2 = (np.array(column, dtype=float) for column in SPARSE)
    keep = a + c > 0
    rows, odds = list(zip(a[keep], n1[keep], c[keep], n2[keep], strict=True)), 0.4
    z, inverse = [], []
    for x, first, y, second in rows:
        support = range(int(max(0, x + y - second)), int(min(first, x + y)) + 1)
        ways = [math.comb(int(first), u) * math.comb(int(second), int(x + y) - u) * odds**u for u in support]
        mean = sum(w * u for w, u in zip(ways, support, strict=True)) / sum(ways)
        variance = sum(w * (u - mean) ** 2 for w, u in zip(ways, support, strict=True)) / sum(ways)
        z.append((x - mean) / math.sqrt(variance))
        inverse.append(1 / variance)
    found = km.ranktest_2x2(*SPARSE, odds_ratio=odds)
    assert found.tau == pytest.approx(kendalltau(z, inverse).statistic, rel=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(13)))
def test_ranks_of_tables_do_not_depend_on_order_and_turn_with_the_outcome(order):
    a, n1, c, n2 = (np.array(column)[list(order)] for column in BCG)
    found, plain = km.ranktest_2x2(a, n1, c, n2), km.ranktest_2x2(*BCG)
    assert (found.score, found.p_value) == (plain.score, plain.p_value)
    turned = km.ranktest_2x2(
        n1 - a, n1, n2 - c, n2
    )  # the other outcome: all odds ratios turn, variances stay
    assert turned.score == -plain.score


def test_ranks_of_tables_refuse_what_tells_nothing():
    for bad, word in (
        (([1, 2], [9, 9], [1, 2], [9, 9]), "needs 3"),
        (([1, 2, 3], [9] * 3, [1] * 3, [9] * 2), "2 values"),
        (([0, 0, 0], [9] * 3, [1, 2, 3], [9] * 3), "0 or infinite"),
        (([1.5, 2, 3], [9] * 3, [1] * 3, [9] * 3), "not whole"),
        (([1, 2, math.nan], [9] * 3, [1] * 3, [9] * 3), "nan"),
        ((["a", 2, 3], [9] * 3, [1] * 3, [9] * 3), "not a number"),
        (([1e9, 2e9, 3e9], [9e9] * 3, [1e9] * 3, [9e9] * 3), "too large"),
    ):
        with pytest.raises(InputError, match=word):
            km.ranktest_2x2(*bad)
    for options, word in (
        ({"method": "Schwartz"}, "Schwarzer, Begg"),
        ({"method": "Begg", "odds_ratio": 2.0}, "no common odds ratio"),
        ({"odds_ratio": 0.0}, "no odds ratio"),
        ({"odds_ratio": math.inf}, "no odds ratio"),
        ({"odds_ratio": "2"}, "no odds ratio"),
        ({"odds_ratio": 1e-300}, "too extreme"),
    ):
        with pytest.raises(InputError, match=word):
            km.ranktest_2x2(*BCG, **options)


def test_contours_are_where_the_test_says_so():
    fit = km.common_effect(Y, V, measure="GEN")
    found = km.funnel_contours(fit, levels=[0.99, 0.95], reference=0.1)
    assert found.levels == (0.95, 0.99)
    for y, v, p, zone in zip(Y, V, found.p_values, found.zone_of, strict=True):
        assert p == pytest.approx(2 * norm.sf(abs(y - 0.1) / math.sqrt(v)))
        assert zone == int(p < 0.05) + int(p < 0.01)
    assert found.zones[0, -1] == pytest.approx(1.959963984540054 * math.sqrt(V.max()))
    assert (found.low[0], found.high[0]) == (fit.mu, fit.mu)
    assert len(found.rows()) == 101
    for options in ({"levels": []}, {"levels": [2]}, {"points": 1}, {"reference": math.nan}):
        with pytest.raises(InputError):
            km.funnel_contours(fit, **options)
