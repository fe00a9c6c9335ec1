"""Formulas and categories in every model, against R 4.2.2: metafor 3.8-1, robumeta 2.0 and clubSandwich 0.5.8.

dat <- escalc(measure = "RR", ai = tpos, bi = tneg, ci = cpos, di = cneg, data = dat.bcg)
dat$study <- c(1, 1, 2, 3, 3, 4, 5, 6, 7, 7, 8, 9, 10); dat$arm <- 1:13
dat$pub <- c(0, 0, 1, 1, 1, 0, 1, 0, 1, 1, 0, 1, 0); dat$era <- ifelse(dat$year < 1965, "old", "new")
m <- mean(dat$ablat); the calls stand with each test.
"""

import numpy as np
import pytest

import kmeta as km
from kmeta.core.errors import InputError

from .test_formulas import DATA, VI, YI

STUDY = [1, 1, 2, 3, 3, 4, 5, 6, 7, 7, 8, 9, 10]
PUB = [0, 0, 1, 1, 1, 0, 1, 0, 1, 1, 0, 1, 0]
COLUMNS = {**DATA, "study": STUDY, "arm": list(range(13)), "pub": PUB}
NESTED = {"groups": STUDY, "measure": "RR"}
# the peer's optimiser stops within 1e-7 of the variances
CLOSE = {"rtol": 2e-6, "atol": 1e-8}


def near(found, expected, **options):
    np.testing.assert_allclose(np.asarray(found, float), expected, **{**CLOSE, **options})


def test_multilevel_with_a_formula():
    """rma.mv(yi, vi, mods = ~ ablat + alloc, random = ~ 1 | study/arm, data = dat, test = "t", dfs = "contain")."""
    fit = km.multilevel(YI, VI, **NESTED, mods="~ ablat + alloc", data=COLUMNS)
    near(fit.beta, [0.293194348873, -0.0272757561128, -0.267491216371, 0.0584612943243])
    near(np.sqrt(np.diag(fit.vcov)), [0.404994656698, 0.00919932011363, 0.350428522684, 0.379510617955])
    near((fit.qm, *fit.qm_df, fit.qm_p), [3.6868705348, 3, 9, 0.0557706215267])
    assert fit.dfs == (6, 9, 9, 9)


def test_a_contrast_has_the_least_df_of_its_coefficients():
    """anova(res, X = rbind(c(0, 0, 1, -1), c(1, 20, 0, 0)))."""
    fit = km.multilevel(YI, VI, **NESTED, mods="~ ablat + alloc", data=COLUMNS)
    found = fit.contrast([[0, 0, 1, -1], [1, 20, 0, 0]])
    near(found.estimate, [-0.325952510695, -0.252320773382])
    near(found.se, [0.310402092349, 0.307738549324])
    near(found.p_value, [0.321051488935, 0.44360627076])
    assert found.df.tolist() == [9, 6]
    near((found.qm, *found.qm_df, found.qm_p), [0.858166249397, 2, 6, 0.470133232512])


def test_the_df_of_a_moderator_between_studies():
    """rma.mv(..., mods = ~ pub + ablat); anova(res, X = rbind(c(0, 0, 1), c(0, 1, -20)))."""
    fit = km.multilevel(YI, VI, **NESTED, mods="~ pub + ablat", data=COLUMNS)
    assert fit.dfs == (7, 7, 10)
    near((fit.qm, *fit.qm_df, fit.qm_p), [20.6156006393, 2, 7, 0.00116464847928])
    found = fit.contrast([[0, 0, 1], [0, 1, -20]])
    assert found.df.tolist() == [10, 7]
    near(found.p_value, [0.000376860487328, 0.444939522699])
    near(found.rows()[0]["df"], 10)
    residual = km.multilevel(YI, VI, **NESTED, mods="~ pub + ablat", data=COLUMNS, df="residual")
    assert residual.contrast([[0, 0, 1], [0, 1, -20]]).df.tolist() == [10, 10]
    z = km.multilevel(YI, VI, **NESTED, mods="~ pub + ablat", data=COLUMNS, test="z")
    assert np.isnan(z.wald_test(["pub", "ablat"]).qm_df[1])


@pytest.mark.parametrize("way", ["formula", "columns"])
def test_marginal_means_of_a_multilevel_model(way):
    """predict(res, newmods = rbind(c(m, 0, 0), c(m, 1, 0), c(m, 0, 1)))."""
    options = {"mods": "~ ablat + C(alloc)", "data": COLUMNS} if way == "formula" else {"mods": DATA}
    means = km.multilevel(YI, VI, **NESTED, **options).marginal_means("alloc")
    assert means.labels == ("alternate", "random", "systematic")
    near(means.mu, [-0.619494413362, -0.886985629733, -0.561033119038])
    near(means.ci_low, [-1.33776548217, -1.35478081641, -1.15888997654])
    near(means.pi_low, [-1.79493223607, -1.92841401586, -1.66700489482])


def test_marginal_means_of_an_interaction():
    """rma(yi, vi, mods = ~ ablat * alloc, test = "t"); predict() at c(m, 0, 0, 0, 0), c(m, 1, 0, m, 0), ..."""
    fit = km.random_effects(YI, VI, measure="RR", mods="~ ablat * C(alloc)", data=DATA, test="t")
    means = fit.marginal_means("alloc")
    near(means.mu, [-0.59283059298, -0.914434337961, -0.539769741418])
    near(means.se, [0.380555363921, 0.231567706106, 0.310760836221])
    near(means.pi_low, [-2.07209785235, -2.20992590035, -1.92484871952])
    found = fit.wald_test(["ablat:C(alloc)"])  # anova(r, btt = 5:6)
    near((found.qm, *found.qm_df, found.qm_p), [0.0743666278489, 2, 7, 0.929054768905])


def test_other_factors_weigh_each_level_the_same():
    """rma(yi, vi, mods = ~ alloc + era); predict(r, newmods = rbind(c(0, 0, .5), c(1, 0, .5), c(0, 1, .5)))."""
    year = [1948, 1949, 1960, 1977, 1973, 1953, 1973, 1980, 1968, 1961, 1974, 1969, 1976]
    data = {**DATA, "era": ["old" if y < 1965 else "new" for y in year]}
    fit = km.random_effects(YI, VI, measure="RR", mods="~ alloc + era", data=data)
    near(fit.marginal_means("alloc").mu, [-0.494711458402, -1.09018665705, -0.613768823818])
    z = km.random_effects(YI, VI, measure="RR", mods="~ alloc + era", data=data, test="z")
    near(z.marginal_means("alloc").se, [0.368100363821, 0.241267512829, 0.304988259122])
    crossed = km.random_effects(YI, VI, measure="RR", mods="~ alloc + C(pub)", data=COLUMNS)
    plain = km.random_effects(
        YI, VI, measure="RR", mods={"alloc": DATA["alloc"], "pub": [str(bool(p)) for p in PUB]}
    )
    near(crossed.marginal_means("alloc").mu, plain.marginal_means("alloc").mu)
    near(crossed.marginal_means("pub").mu, plain.marginal_means("pub").mu)


def test_robust_variance_with_a_formula():
    """robu(yi ~ alloc + ablat, data = dat, studynum = study, var.eff.size = vi, modelweights = "CORR", rho = 0.8,

    small = TRUE); Wald_test(., constraints = constrain_zero(2:3), vcov = "CR2"); linear_contrast(., vcov = "CR2").
    """
    fit = km.robust_variance(YI, VI, STUDY, mods="~ alloc + ablat", data=COLUMNS)
    near(fit.beta, [0.254483420866, -0.330251509402, 0.128789411855, -0.0250683119325])
    near(fit.se, [0.381534535772, 0.253063729343, 0.31442066828, 0.0106126212737])
    near(fit.df, [2.09737047132, 2.01054764385, 2.32499177797, 3.47266431092])
    near((fit.qm, *fit.qm_df, fit.qm_p), [5.44617820441, 3, 1.84084102258, 0.173744483767])
    found = fit.wald_test(["alloc"])
    near((found.qm, *found.qm_df, found.qm_p), [0.633395748275, 2, 2.35859524549, 0.602315507397])
    both = fit.contrast([[0, 1, -1, 0], [1, 0, 0, 20]])
    near(both.estimate, [-0.459040921257, -0.246882817783])
    near(both.se, [0.417405853112, 0.187847103064])
    near(both.df, [4.71330929883, 1.356825725])
    near(both.p_value, [0.32441373899, 0.367954236254])
    means = fit.marginal_means("alloc")
    at = fit.predict({"alloc": ["systematic"], "ablat": [np.mean(DATA["ablat"])]})
    near((means.mu[2], means.se[2], means.ci_low[2]), (at.mu[0], at.se[0], at.ci_low[0]))
    assert "Test of moderators: F(3, 1.841)" in fit.summary()


def test_robust_variance_with_hierarchical_weights_and_categories():
    """robu(..., modelweights = "HIER", small = TRUE)."""
    mods = {"alloc": DATA["alloc"], "ablat": DATA["ablat"]}
    fit = km.robust_variance(YI, VI, STUDY, mods=mods, weights="hierarchical")
    near(fit.beta, [0.315405323008, -0.253055562403, 0.03552704448, -0.0278298552412])
    near(fit.se, [0.297251817837, 0.246365582669, 0.327723222603, 0.00813949646056])
    near(fit.df, [1.79575372144, 1.8986216663, 2.37835308396, 3.30846944764])
    assert fit.terms[1:3] == ("alloc[random]", "alloc[systematic]")
    plain = km.robust_variance(YI, VI, STUDY, mods=mods, small=False)
    assert plain.qm_df == (3, 10 - 4)
    assert plain.contrast([[0, 1, -1, 0]]).df.tolist() == [6]


def test_robust_tests_of_a_fit_are_those_of_its_own_coefficients():
    fit = km.multilevel(YI, VI, **NESTED, mods="~ alloc + ablat", data=COLUMNS)
    for kind in ("CR2", "CR1"):
        tests = fit.robust(STUDY, kind=kind)
        each = tests.contrast(np.eye(4))
        near(each.df, tests.df)
        near(each.p_value, tests.p_value)
        near((tests.wald_test(["alloc", "ablat"]).qm, tests.predict().mu[0]), (tests.qm, fit.predict().mu[0]))
        assert tests.marginal_means("alloc").labels == ("alternate", "random", "systematic")


P = {"xi": [8, 5, 12, 3, 9, 4, 15, 1, 14, 2, 17], "ni": [12, 18, 30, 14, 20, 9, 21, 20, 18, 25, 19]}
D = {"a": list("xyxyxyxxyyx"), "b": [1, 2, 2, 3, 1, 1, 4, 2, 1, 3, 2]}


@pytest.mark.parametrize("way", ["formula", "columns"])
def test_glmm_of_proportions(way):
    """rma.glmm(measure = "PLO", xi = xi, ni = ni, mods = ~ b + a, nAGQ = 25)."""
    mods = {"mods": "~ b + C(a)", "data": D} if way == "formula" else {"mods": {"b": D["b"], "a": D["a"]}}
    fit = km.glmm("PLO", **P, **mods)
    near(np.sqrt(np.diag(fit.vcov)), [1.01592839778, 0.42510831384, 0.82230661855], rtol=1e-5)
    near((fit.tau2, fit.qm, fit.qm_p), [1.48931412523, 1.65069518189, 0.43808269242], rtol=1e-4)
    means = fit.marginal_means("a")
    at = fit.predict({"b": [np.mean(D["b"])] * 2, "a": ["x", "y"]})
    near(means.mu, at.mu)
    near(fit.wald_test(["b", "a" if way == "columns" else "C(a)"]).qm, fit.qm, rtol=1e-10)
    assert fit.common.terms == fit.terms
    near(fit.common.marginal_means("a").mu.shape, (2,))


def test_glmm_without_an_intercept_tests_every_coefficient():
    fit = km.glmm("PLO", **P, mods="~ 0 + a + b", data=D)
    whole = km.glmm("PLO", **P, mods="~ a + b", data=D)
    near(fit.log_likelihood, whole.log_likelihood, rtol=1e-9)
    assert fit.qm_df[0] == 3
    near(fit.marginal_means("a").mu, whole.marginal_means("a").mu, rtol=1e-6)


@pytest.mark.parametrize(
    ("model", "beta", "se", "tau2", "rtol"),
    [
        # lme4 says itself that it did not converge here
        ("UM.FS", (-0.615088580968, -0.355771694884, 0.167210247301), 0.389121566414, 0.27298690296, 1e-2),
        ("CM.AL", (-0.525643134228, -0.433257303408, 0.0794856121509), 0.383012107908, 0.264448216934, 1e-3),
    ],
)
def test_glmm_of_odds_ratios(model, beta, se, tau2, rtol):
    """rma.glmm(measure = "OR", ai = tpos, bi = tneg, ci = cpos, di = cneg, mods = ~ alloc, model = MODEL)."""
    cells = {
        "ai": [4, 6, 3, 62, 33, 180, 8, 505, 29, 17, 186, 5, 27],
        "bi": [119, 300, 228, 13536, 5036, 1361, 2537, 87886, 7470, 1699, 50448, 2493, 16886],
        "ci": [11, 29, 11, 248, 47, 372, 10, 499, 45, 65, 141, 3, 29],
        "di": [128, 274, 209, 12619, 5761, 1079, 619, 87892, 7232, 1600, 27197, 2338, 17825],
    }
    fit = km.glmm("OR", **cells, mods="~ alloc", data=DATA, model=model)
    near(fit.beta, beta, rtol=rtol)
    near((np.sqrt(fit.vcov[0, 0]), fit.tau2), (se, tau2), rtol=rtol)


MODELS = [
    pytest.param(lambda **o: km.random_effects(YI, VI, measure="RR", **o), id="random_effects"),
    pytest.param(lambda **o: km.common_effect(YI, VI, measure="RR", **o), id="common_effect"),
    pytest.param(lambda **o: km.multilevel(YI, VI, **NESTED, **o), id="multilevel"),
    pytest.param(lambda **o: km.robust_variance(YI, VI, STUDY, **o), id="robust_variance"),
    pytest.param(lambda **o: km.glmm("PLO", xi=range(1, 14), ni=[20] * 13, **o), id="glmm"),
]


@pytest.mark.parametrize("model", MODELS)
def test_every_model_takes_moderators_the_same_way(model):
    formula = model(mods="~ ablat + alloc", data=DATA)
    columns = model(mods={"ablat": DATA["ablat"], "alloc": DATA["alloc"]})
    near(formula.beta, columns.beta, rtol=1e-6)
    assert formula.terms == ("intercept", "ablat", "alloc[T.random]", "alloc[T.systematic]")
    assert columns.terms == ("intercept", "ablat", "alloc[random]", "alloc[systematic]")
    near(formula.marginal_means("alloc").mu, columns.marginal_means("alloc").mu, rtol=1e-6)
    near(formula.wald_test(["alloc"]).qm, columns.wald_test(["alloc"]).qm, rtol=1e-6)
    new = {"ablat": [20], "alloc": ["random"]}
    near(formula.predict(new).se, columns.predict(new).se, rtol=1e-6)
    for bad, words in (
        ({"mods": "~ dose", "data": DATA}, "no column 'dose'"),
        ({"mods": "ablat"}, "begins with"),
        ({"mods": {"ablat": DATA["ablat"]}, "data": DATA}, "for a formula"),
        ({"mods": {"ablat": ["1"] * 13}}, "numbers as text"),
        ({"mods": "~ ablat + I(2 * ablat)", "data": DATA}, "combination"),
    ):
        with pytest.raises(InputError, match=words):
            model(**bad)
    with pytest.raises(InputError, match="no categorical moderator"):
        formula.marginal_means("ablat")
    with pytest.raises(InputError, match="no coefficient"):
        formula.wald_test(["dose"])


def test_data_serve_the_random_effects_and_the_formula():
    import pandas as pd

    frame = pd.DataFrame(COLUMNS)
    fit = km.multilevel(
        YI, VI, measure="RR", random="1 | study/arm", mods="~ 0 + alloc + C(pub)", data=frame, df="residual"
    )
    assert fit.terms == ("alloc[alternate]", "alloc[random]", "alloc[systematic]", "C(pub)[T.1]")
    near(fit.predict({"alloc": ["random"], "pub": [1]}).mu, fit.beta[1] + fit.beta[3])
    assert "Moderators by formula" in fit.summary()
    with pytest.raises(InputError, match="0 \\+"):
        km.multilevel(YI, VI, **NESTED, mods="~ alloc", data=DATA, intercept=False)
    with pytest.raises(InputError, match="0 \\+"):
        km.multilevel(YI, VI, **NESTED, mods={"alloc": DATA["alloc"]}, intercept=False)
    with pytest.raises(InputError, match="columns by name"):
        km.multilevel(YI, VI, measure="RR", random="1 | study", data=[1, 2])


@pytest.mark.parametrize(
    ("formula", "name", "words"),
    [
        ("~ C(ablat > 30)", "ablat", "other levels|cannot be|not allowed"),
        ("~ ablat", "alloc", "no categorical moderator"),
    ],
)
def test_a_factor_that_is_no_column_has_no_marginal_means(formula, name, words):
    with pytest.raises(InputError, match=words):
        km.random_effects(YI, VI, measure="RR", mods=formula, data=DATA).marginal_means(name)


def test_a_location_scale_model_takes_formulas_in_both_parts():
    formula = km.random_effects(YI, VI, measure="RR", mods="~ ablat", scale="~ alloc", data=DATA)
    columns = km.random_effects(
        YI, VI, measure="RR", mods={"ablat": DATA["ablat"]}, scale={"alloc": DATA["alloc"]}
    )
    near(formula.alpha, columns.alpha)
    near(formula.beta, columns.beta)
    assert formula.scale_terms == ("intercept", "alloc[T.random]", "alloc[T.systematic]")
    new = {"alloc": ["random", "systematic"]}
    near(formula.predict_tau2(new).tau2, columns.predict_tau2(new).tau2)
    near(formula.predict({"ablat": [1, 2]}, new).pi_low, columns.predict({"ablat": [1, 2]}, new).pi_low)
    mixed = km.random_effects(YI, VI, measure="RR", mods="~ alloc", scale={"ablat": DATA["ablat"]}, data=DATA)
    means = mixed.marginal_means("alloc")
    near(means.mu[1] - means.mu[0], mixed.beta[1])
    assert np.isnan(means.pi_low).all()  # tau2 depends on the scale's columns: see predict
    for bad, words in (
        ({"scale": "~ dose", "data": DATA}, "scale: has no column 'dose'"),
        ({"scale": "ablat"}, "begins with"),
        ({"scale": {"ablat": DATA["ablat"]}, "data": DATA}, "for a formula"),
    ):
        with pytest.raises(InputError, match=words):
            km.random_effects(YI, VI, measure="RR", **bad)
