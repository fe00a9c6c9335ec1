"""Location-scale models against metafor, against the ordinary model, and against their own derivatives."""

import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import kmeta as km
from kmeta.core.errors import ConvergenceError, InputError
from kmeta.methods.meta.scale_likelihood import ScaleLikelihood

# dat.bangertdrowns2004: yi, vi, ni, grade; N is scale(ni)
Y = [
    0.65,
    -0.75,
    -0.21,
    -0.04,
    0.23,
    0.03,
    0.26,
    0.06,
    0.06,
    0.12,
    0.77,
    0,
    0.52,
    0.54,
    0.2,
    0.2,
    -0.16,
    0.42,
    0.6,
    0.51,
    0.58,
    0.54,
    0.09,
    0.37,
    -0.01,
    -0.13,
    0.18,
    0.27,
    -0.02,
    0.33,
    0.59,
    0.84,
    -0.32,
    0.12,
    1.12,
    -0.12,
    -0.44,
    -0.07,
    0.7,
    0.49,
    0.2,
    0.58,
    0.15,
    0.63,
    0.04,
    1.46,
    0.04,
    0.25,
]
V = [
    0.07,
    0.126,
    0.042,
    0.019,
    0.022,
    0.009,
    0.106,
    0.007,
    0.04,
    0.052,
    0.107,
    0.021,
    0.037,
    0.083,
    0.086,
    0.091,
    0.167,
    0.052,
    0.091,
    0.065,
    0.073,
    0.061,
    0.1,
    0.06,
    0.083,
    0.037,
    0.069,
    0.018,
    0.009,
    0.053,
    0.017,
    0.112,
    0.06,
    0.044,
    0.129,
    0.023,
    0.205,
    0.033,
    0.265,
    0.039,
    0.021,
    0.067,
    0.014,
    0.168,
    0.016,
    0.099,
    0.087,
    0.072,
]
NI = [
    60,
    34,
    95,
    209,
    182,
    462,
    38,
    542,
    99,
    77,
    40,
    190,
    113,
    50,
    47,
    44,
    24,
    78,
    46,
    64,
    57,
    68,
    40,
    68,
    48,
    107,
    58,
    225,
    446,
    77,
    243,
    39,
    67,
    91,
    36,
    177,
    20,
    120,
    16,
    105,
    195,
    62,
    289,
    25,
    250,
    51,
    46,
    56,
]
GRADE = [
    4,
    2,
    2,
    4,
    1,
    4,
    3,
    1,
    4,
    1,
    4,
    4,
    1,
    4,
    4,
    4,
    4,
    4,
    4,
    4,
    1,
    3,
    1,
    3,
    2,
    3,
    3,
    3,
    1,
    1,
    1,
    1,
    4,
    3,
    4,
    3,
    2,
    4,
    4,
    4,
    2,
    3,
    4,
    4,
    1,
    3,
    2,
    4,
]
N = (np.array(NI) - np.mean(NI)) / np.std(NI, ddof=1)
# dat.raudenbush1985: yi, vi, and weeks (X[, 2] and Z[, 2])
RAUD_Y = [
    0.03,
    0.12,
    -0.14,
    1.18,
    0.26,
    -0.06,
    -0.02,
    -0.32,
    0.27,
    0.8,
    0.54,
    0.18,
    -0.02,
    0.23,
    -0.18,
    -0.06,
    0.3,
    0.07,
    -0.07,
]
RAUD_V = [
    0.0156,
    0.0216,
    0.0279,
    0.1391,
    0.1362,
    0.0106,
    0.0106,
    0.0484,
    0.0269,
    0.063,
    0.0912,
    0.0497,
    0.0835,
    0.0841,
    0.0253,
    0.0279,
    0.0193,
    0.0088,
    0.0303,
]
WEEKS = [2, 21, 19, 0, 0, 3, 17, 24, 0, 1, 0, 0, 1, 2, 17, 5, 1, 2, 7]


def loglik(fit, alpha):
    """The log-likelihood at scale coefficients `alpha`, written a second time."""
    x = np.ones((fit.k, 1)) if fit.x is None else fit.x
    eta = fit.z @ alpha
    total = fit.vi + (np.exp(eta) if fit.link == "log" else eta)
    gram = x.T @ (x / total[:, None])
    resid = fit.yi - x @ np.linalg.solve(gram, x.T @ (fit.yi / total))
    k, p = x.shape
    terms = np.log(total).sum() + (resid**2 / total).sum()
    if fit.method == "ML":
        return -0.5 * (k * np.log(2 * np.pi) + terms)
    terms += np.linalg.slogdet(gram)[1] - np.linalg.slogdet(x.T @ x)[1]
    return -0.5 * ((k - p) * np.log(2 * np.pi) + terms)


# rma(yi, vi, scale = ~ n, method = ..., link = "log"), metafor 5.0.1
@pytest.mark.parametrize(
    ("method", "alpha", "se", "qs", "mu", "mu_se", "ll"),
    [
        (
            "ML",
            [-2.81137088977036, -0.986754031886741],
            [0.398499653369135, 0.852827945312326],
            1.33873609689415,
            0.147446873163112,
            0.0377604162167389,
            -17.0834431421446,
        ),
        (
            "REML",
            [-2.76703057959719, -0.817183346905689],
            [0.389733882094372, 0.829952754758746],
            0.969465310856983,
            0.156040026500796,
            0.0396332216509,
            -17.4824856083592,
        ),
    ],
)
def test_log_link_of_metafor(method, alpha, se, qs, mu, mu_se, ll):
    fit = km.random_effects(Y, V, measure="SMD", tau2=method, test="z", scale={"n": N})
    assert fit.alpha == pytest.approx(alpha, rel=1e-6)
    assert fit.alpha_se == pytest.approx(se, rel=1e-6)
    assert fit.qs == pytest.approx(qs, rel=1e-5)
    assert fit.qs_df[0] == 1
    assert (fit.mu, fit.se) == pytest.approx((mu, mu_se), rel=1e-6)
    assert fit.fit_stats()[method]["ll"] == pytest.approx(ll, abs=1e-9)


def test_moderators_t_tests_and_predictions_of_metafor():
    # r <- rma(yi, vi, mods = ~ g, scale = ~ n, test = "t"); predict(r, newmods = 2, newscale = 1), metafor 3.8-1
    fit = km.random_effects(Y, V, measure="SMD", test="t", mods={"g": GRADE}, scale={"n": N})
    scale, location = fit.scale_rows(), fit.rows()[:2]
    close = {"rel": 2e-5}
    assert fit.alpha == pytest.approx([-2.72944654943, -0.633030990705], **close)
    assert fit.alpha_se == pytest.approx([0.390064573144, 0.5959006333], **close)
    assert [row["p_value"] for row in scale] == pytest.approx([9.19366186095e-09, 0.293640560488], rel=1e-4)
    assert [row["ci_low"] for row in scale] == pytest.approx([-3.51460581201, -1.83251675287], **close)
    assert (fit.qs, fit.qs_p) == pytest.approx((1.1285017836, 0.293640560488), **close)
    assert [row["estimate"] for row in location] == pytest.approx([0.127342191479, 0.01669996835], **close)
    assert [row["se"] for row in location] == pytest.approx([0.0900128039829, 0.0315390188267], **close)
    assert (fit.qm, fit.qm_p) == pytest.approx((0.280372193511, 0.599003703255), rel=1e-4)
    one = fit.predict({"g": [2]}, {"n": [1]}).rows()[0]
    keys = ("mu", "se", "ci_low", "ci_high", "pi_low", "pi_high")
    at = fit.predict({"g": [2]}, {"n": [1]})
    got = [float(getattr(at, key)[0]) for key in keys]
    expected = [0.1607421282, 0.0452507159, 0.0696571613, 0.2518270951, -0.2248570904, 0.5463413468]
    assert got == pytest.approx(expected, **close)
    assert one["mu"] == got[0]
    tau2 = fit.predict_tau2({"n": [1]})
    assert (tau2.predictor[0], tau2.se[0]) == pytest.approx((-3.3624775401, 0.6707217338), **close)
    limits = np.exp([-4.7125703661, -2.0123847141])
    assert [tau2.ci_low[0], tau2.ci_high[0]] == pytest.approx(limits, **close)


# rma(yi, vi, mods = , scale = , method = , link = "identity"), metafor 5.0.1: alpha, log-likelihood
PEER = [
    ("bangert", "ML", [0.0576456761909854, -0.0138291894799672], -17.6448437341108),
    ("bangert", "REML", [0.0598713727926842, -0.0136869991691806], -17.9271444800153),
    ("raudenbush", "ML", [0.00971962004333026, -0.000404984167958923], 0.873162542892508),
    ("raudenbush", "REML", [0.0171442286257599, -0.00071434284872757], -0.607799720174963),
]


@pytest.mark.parametrize(("data", "method", "alpha", "ll"), PEER)
def test_identity_link_is_higher_than_metafor(data, method, alpha, ll):
    """The peer's search keeps off the bounds of tau2 and stops a little below the maximum; ours does not."""
    options = {"measure": "GEN", "tau2": method, "test": "z", "link": "identity"}
    if data == "bangert":
        fit = km.random_effects(Y, V, scale=N, **options)
    else:
        fit = km.random_effects(RAUD_Y, RAUD_V, mods={"w": WEEKS}, scale={"w": WEEKS}, **options)
    ours = loglik(fit, fit.alpha)
    assert loglik(fit, np.array(alpha)) == pytest.approx(ll, abs=1e-10)
    assert ll + 1e-8 < ours < ll + 1e-6
    assert fit.fit_stats()[method]["ll"] == pytest.approx(ours, abs=1e-10)
    assert fit.alpha == pytest.approx(alpha, rel=2e-3)
    # no feasible neighbour is higher
    for turn in np.linspace(0, 2 * np.pi, 17):
        near = fit.alpha + 1e-5 * np.array([np.cos(turn), np.sin(turn) / 10])
        if (fit.z @ near >= 0).all():
            assert loglik(fit, near) <= ours + 1e-12
    if data == "raudenbush":
        assert fit.tau2_i.min() == 0
        assert np.isnan(fit.alpha_se).all()
        assert np.isnan(fit.qs)
        assert "held at its bound 0" in fit.warnings[0]
    else:
        assert np.isfinite(fit.alpha_se).all()


@pytest.mark.parametrize("link", ["log", "identity"])
@pytest.mark.parametrize("restricted", [True, False])
def test_derivatives_are_those_of_the_height(link, restricted):
    rng = np.random.default_rng(7)
    v, y = rng.uniform(0.5, 3, 15), rng.normal(size=15)
    x = np.linalg.qr(np.column_stack([np.ones(15), rng.normal(size=15)]))[0]
    z = np.column_stack([np.ones(15), rng.uniform(size=15)])
    model = ScaleLikelihood(y, v, x, z, link=link, restricted=restricted)
    at, h = np.array([0.3, 0.4]), 1e-5
    here = model.slopes(at)
    ends = [(model.slopes(at + h * e), model.slopes(at - h * e)) for e in np.eye(2)]
    assert here.gradient == pytest.approx([(a.height - b.height) / (2 * h) for a, b in ends], rel=1e-6)
    wanted = np.array([(a.gradient - b.gradient) / (2 * h) for a, b in ends])
    assert here.hessian == pytest.approx(wanted, rel=1e-6)
    if not restricted:
        return
    draws = rng.normal(size=(3000, 15)) * np.sqrt(v + model.tau2(at))
    several = (ScaleLikelihood(row, v, x, z, link=link, restricted=restricted).slopes(at) for row in draws)
    mean = np.mean([one.hessian for one in several], axis=0)
    assert here.information == pytest.approx(-mean, rel=0.15)


studies = st.lists(
    st.tuples(st.floats(-3, 3), st.floats(0.05, 2)), min_size=3, max_size=12, unique_by=lambda pair: pair[0]
)


@settings(max_examples=40, deadline=None)
@example(
    [(0.0, 1.796875), (0.0078125, 1.125), (-1.8916372679377804, 1.28125), (-2.1475470492121715, 1.5)],
    "REML",
    "z",
)
@given(studies, st.sampled_from(["REML", "ML"]), st.sampled_from(["z", "t", "hksj", "knha"]))
def test_a_scale_of_an_intercept_is_the_ordinary_model(pairs, method, test):
    y, v = np.array(pairs).T
    plain = km.random_effects(y, v, measure="MD", tau2=method, test=test)
    options = {"measure": "MD", "tau2": method, "test": test, "scale": np.ones(len(y))}
    level = km.random_effects(y, v, link="identity", **options)
    assert level.tau2_i == pytest.approx(np.full(len(y), plain.tau2), rel=1e-5, abs=1e-8)
    assert (level.mu, level.se) == pytest.approx((plain.mu, plain.se), rel=1e-5, abs=1e-8)
    if plain.tau2 < 1e-3:
        return
    fit = km.random_effects(y, v, **options)
    assert np.exp(fit.alpha[0]) == pytest.approx(plain.tau2, rel=1e-6)
    assert (fit.mu, fit.se, fit.p_value) == pytest.approx(
        (plain.mu, plain.se, plain.p_value), rel=1e-6, abs=1e-9
    )
    assert fit.fit_stats()["ML"] == pytest.approx(plain.fit_stats()["ML"], rel=1e-7)


def test_without_heterogeneity_the_log_link_has_no_maximum():
    with pytest.raises(ConvergenceError, match="go to 0") as caught:
        km.random_effects([0.1, 0.11, 0.1, 0.12], [1.0] * 4, measure="MD", scale=[1, 2, 3, 5])
    assert len(caught.value.last) == 2
    fit = km.random_effects(
        [0.1, 0.11, 0.1, 0.12], [1.0] * 4, measure="MD", scale=[1, 2, 3, 5], link="identity"
    )
    assert not fit.tau2_i.any()
    assert not fit.alpha.any()


@settings(max_examples=15, deadline=None)
@given(
    st.permutations(range(48)), st.floats(0.01, 100), st.floats(-5, 5), st.sampled_from(["log", "identity"])
)
def test_order_units_and_origin_do_not_matter(order, unit, shift, link):
    order = np.array(order)
    y, v = np.array(Y), np.array(V)
    fit = km.random_effects(y, v, measure="MD", scale=N, link=link)
    moved = km.random_effects(
        unit * (y[order] + shift), unit**2 * v[order], measure="MD", scale=10 * N[order] + 3, link=link
    )
    assert moved.tau2_i == pytest.approx(unit**2 * fit.tau2_i[order], rel=1e-5)
    assert moved.mu == pytest.approx(unit * (fit.mu + shift), rel=1e-5, abs=1e-6 * unit)
    assert moved.qs == pytest.approx(fit.qs, rel=1e-4)


def test_a_categorical_scale_is_a_variance_for_each_level():
    group = ["a", "b"] * 24
    fit = km.random_effects(Y, V, measure="SMD", tau2="ML", scale={"g": group})
    assert fit.scale_terms == ("intercept", "g[b]")
    at = fit.predict_tau2({"g": ["a", "b"]})
    assert at.tau2 == pytest.approx(fit.tau2_i[:2])
    assert "Test of the scale" in fit.summary()
    assert "Location-scale model" in fit.summary()
    assert 'scale = Z, link = "log"' in fit.r_script()
    assert [row["part"] for row in fit.rows()] == ["location", "scale", "scale"]
    json.dumps(fit.to_dict())


FOUR = {"yi": [0.1, 0.5, -0.3, 0.9], "vi": [0.1, 0.1, 0.2, 0.1], "measure": "MD"}


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"scale": {"a": [1, 2, 3, 4], "b": [2, 4, 6, 8]}}, "scale"),
        ({"scale": {"a": [1, 2, 3, 4], "b": [1, 5, 2, 2], "c": [1, 0, 1, 0]}}, "scale"),
        ({"scale": {"a": [1, 2, 3, 4], "b": [1, 5, 2, 2]}, "mods": [1, 0, 0, 1]}, "scale"),
        ({"scale": {"a": [1, 2]}}, "scale"),
        ({"scale": [1, 2, 3, np.nan]}, "scale"),
        ({"scale": "abcd"}, "scale"),
        ({"scale": []}, "scale"),
        ({"scale": [1], "yi": [1], "vi": [1]}, "scale"),
        ({"scale": [1, 2], "yi": [1, 2], "vi": [1, 1]}, "scale"),
        ({"scale": [1, 2, 3, 4], "tau2": "DL"}, "tau2"),
        ({"scale": [1, 2, 3, 4], "tau2": 0.3}, "tau2"),
        ({"scale": [1, 2, 3, 4], "test": "kr"}, "test"),
        ({"scale": [1, 2, 3, 4], "link": "probit"}, "link"),
        ({"scale": [1, 2, 3, 4], "weights": [1, 1, 1, 1]}, "weights"),
        ({"scale": [1, 2, 3, 4], "pi": "bootstrap"}, "pi"),
        ({"link": "identity"}, "link"),
    ],
)
def test_bad_input_is_named(given, where):
    with pytest.raises(InputError) as caught:
        km.random_effects(**{**FOUR, **given})
    assert caught.value.where == where


@pytest.mark.parametrize("link", ["log", "identity"])
@pytest.mark.parametrize("given", [{"vi": [1e-100, 1e40, 1, 1]}, {"yi": [1e100, 2, 3, 4e90]}])
def test_numbers_out_of_range_do_not_give_a_result(given, link):
    with pytest.raises(ConvergenceError):
        km.random_effects(**{**FOUR, **given}, scale=[1, 2, 3, 4], link=link)


def test_what_is_not_built_and_not_given_is_said():
    fit = km.random_effects(Y, V, measure="SMD", mods={"g": GRADE}, scale={"n": N})
    for name in ("blup", "profile", "gosh", "permutation_test", "radial"):
        with pytest.raises(InputError, match="location-scale"):
            getattr(fit, name)()
    with pytest.raises(InputError, match="scale columns are needed"):
        fit.predict({"g": [1]})
    with pytest.raises(InputError, match="moderators are needed"):
        fit.predict(None, {"n": [1]})
    with pytest.raises(InputError, match="2 of scale columns"):
        fit.predict({"g": [1]}, {"n": [1, 2]})
    with pytest.raises(InputError) as caught:
        fit.predict({"g": [1]}, {"other": [1]})
    assert caught.value.where == "newscale"
    line = km.random_effects(Y, V, measure="SMD", scale={"n": N}, link="identity")
    with pytest.raises(InputError, match="tau2 would be"):
        line.predict(None, {"n": [100]})
