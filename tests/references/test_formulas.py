"""Moderators by formula against metafor 3.8-1 (R 4.2.2) on its data set dat.bcg, log risk ratios by escalc().

dat <- escalc(measure = "RR", ai = tpos, bi = tneg, ci = cpos, di = cneg, data = dat.bcg)
rma(yi, vi, mods = FORMULA, data = dat, test = TEST, control = list(threshold = 1e-12, tol = 1e-12, maxiter = 20000))
"""

import numpy as np
import pytest

import kmeta as km
from kmeta.core.errors import InputError

YI = [
    *(-0.8893113339202054, -1.585388657201431, -1.348073148299693, -1.441551190021305, -0.2175473222112956),
    *(-0.786115585818864, -1.620898223598392, 0.01195233352384051, -0.4694176487381494, -1.371344803472784),
    *(-0.3393588283383906, 0.4459134005713787, -0.01731394821687982),
]
VI = [
    *(0.3255847650039613, 0.1945811213981438, 0.4153679653679654, 0.02001003190224757, 0.05121017216963086),
    *(
        0.006905618455908757,
        0.2230172475723152,
        0.003961579297817729,
        0.05643421046324897,
        0.07302479361302891,
    ),
    *(0.01241221397155972, 0.5325058452001528, 0.07140465968398629),
]
DATA = {
    "ablat": [44, 55, 42, 52, 13, 44, 19, 13, 27, 42, 18, 33, 33],
    "alloc": ["random"] * 4 + ["alternate"] * 2 + ["random"] * 3 + ["systematic"] * 4,
}
TERMS = ("intercept", "ablat", "C(alloc)[T.random]", "C(alloc)[T.systematic]")
# formula here, its terms, then R's beta, se, tau2, QE, QM, QMp
PINNED = {
    ("~ ablat + C(alloc)", "z"): (
        TERMS,
        [0.2931943560032586, -0.02727575629813328, -0.2674912115129602, 0.05846128692834443],
        [0.4049946407919489, 0.009199319746121388, 0.3504285079722383, 0.3795106023821395],
        (0.1445942973592872, 26.20343649164854, 11.06061245535936, 0.01140259573008272),
    ),
    ("~ ablat * alloc", "knha"): (
        (
            "intercept",
            "ablat",
            "alloc[T.random]",
            "alloc[T.systematic]",
            "ablat:alloc[T.random]",
            "ablat:alloc[T.systematic]",
        ),
        [
            0.02088453026930439,
            -0.01834091172927658,
            0.006801186605641643,
            0.4710537925578502,
            -0.00981440025433718,
            -0.01249174306425782,
        ],
        [
            0.7990523965581772,
            0.02383885557546371,
            0.9644616763282245,
            1.265423727580256,
            0.02776803877438176,
            0.03894384092935255,
        ],
        (0.2465309250597676, 20.78094191299923, 1.509816239279713, 0.2988267417084218),
    ),
    ("~ 0 + alloc + log(ablat)", "z"): (
        ("alloc[alternate]", "alloc[random]", "alloc[systematic]", "log(ablat)"),
        [1.844565250298327, 1.572496823862198, 1.992534752905761, -0.7333264744642133],
        [0.9356372543986218, 0.9408774410919463, 0.9443307351406427, 0.2720641075104375],
        (0.1668921801085332, 28.84419270938127, 33.72156320374415, 8.498769482737955e-07),
    ),
    ("~ I(ablat**2) + scale(ablat)", "knha"): (
        ("intercept", "I(ablat ** 2)", "scale(ablat)"),
        [0.3407375553219311, -0.0007962935982211044, 0.3149461942452439],
        [1.090324111905374, 0.0008105974496332567, 0.7574051153658345],
        (0.08063462722009732, 28.49608647515826, 6.624512886863849, 0.01472231837500949),
    ),
}


def fitted(formula, data=DATA, **options):
    return km.random_effects(YI, VI, measure="RR", mods=formula, data=data, **options)


@pytest.mark.parametrize(("formula", "test"), PINNED)
def test_the_numbers_are_metafors(formula, test):
    terms, beta, se, rest = PINNED[formula, test]
    fit = fitted(formula, test=test)
    assert fit.terms == terms
    np.testing.assert_allclose(fit.beta, beta, rtol=1e-7)
    np.testing.assert_allclose(np.sqrt(np.diag(fit.vcov)), se, rtol=1e-7)
    np.testing.assert_allclose((fit.tau2, fit.q, fit.qm, fit.qm_p), rest, rtol=1e-7)


def test_new_rows_are_coded_as_the_model():
    """predict(r, newmods = rbind(c(10, 1, 0), c(40, 0, 1))) of ~ ablat + alloc, test = "z"."""
    found = fitted("~ ablat + C(alloc)", test="z").predict(
        {"ablat": [10, 40], "alloc": ["random", "systematic"]}
    )
    np.testing.assert_allclose(found.mu, [-0.2470544184910344, -0.7393746089937282], rtol=1e-7)
    np.testing.assert_allclose(found.se, [0.2894736141035171, 0.2594973174083333], rtol=1e-7)
    np.testing.assert_allclose(found.ci_low, [-0.8144122766085736, -1.24798000519882], rtol=1e-7)
    np.testing.assert_allclose(found.pi_low, [-1.183722971491841, -1.641667514907236], rtol=1e-7)


def test_a_transformation_keeps_the_state_of_the_fit():
    fit = fitted("~ scale(ablat) + alloc")
    np.testing.assert_allclose(fit.predict(DATA).mu, fit.predict().mu, rtol=1e-12)
    one = fit.predict({"ablat": 44, "alloc": "random"})
    np.testing.assert_allclose(one.mu, fit.predict().mu[:1], rtol=1e-12)


def test_a_formula_is_the_columns_it_names():
    formula, columns = fitted("~ ablat + alloc"), km.random_effects(YI, VI, measure="RR", mods=DATA)
    np.testing.assert_allclose(formula.beta, columns.beta, rtol=1e-9)
    np.testing.assert_allclose(formula.vcov, columns.vcov, rtol=1e-9)
    assert formula.tau2 == pytest.approx(columns.tau2, rel=1e-9)
    assert "alloc: treatment, against alternate coding" in formula.summary()
    common = km.common_effect(YI, VI, measure="RR", mods="~ ablat + alloc", data=DATA)
    np.testing.assert_allclose(common.beta, km.common_effect(YI, VI, measure="RR", mods=DATA).beta, rtol=1e-9)


def test_an_order_of_levels_is_kept():
    import pandas as pd

    order = ["systematic", "random", "alternate"]
    frame = pd.DataFrame({**DATA, "alloc": pd.Categorical(DATA["alloc"], categories=order)})
    mine = {**DATA, "alloc": km.category(DATA["alloc"], reference="systematic")}
    assert fitted("~ alloc", frame).terms[1:] == ("alloc[T.random]", "alloc[T.alternate]")
    assert fitted("~ alloc", mine).formula.coding == {"alloc": "treatment, against systematic"}
    assert fitted("~ alloc", frame).predict({"alloc": ["random"]}).mu[0] == pytest.approx(
        fitted("~ alloc").predict({"alloc": ["random"]}).mu[0], rel=1e-9
    )
    assert fitted("~ C(alloc, contr.sum)").formula.coding == {"C(alloc, contr.sum)": "sum"}


def test_only_the_intercept_is_the_model_without_moderators():
    assert fitted("~ 1").mu == km.random_effects(YI, VI, measure="RR").mu
    assert fitted("~ 1", None).x is None


BAD = [
    ("~ ablat + dose", DATA, "no column 'dose'"),
    ("~ ablat", None, "columns by name"),
    ("~ ablat", {"ablat": [*DATA["ablat"][:-1], None]}, r"ablat\[12\] is missing"),
    ("~ ablat", {"ablat": [float("nan"), *DATA["ablat"][1:]]}, r"ablat\[0\] is missing"),
    ("~ alloc", {"alloc": [*DATA["alloc"][:-1], " "]}, r"alloc\[12\] is missing"),
    ("~ ablat", {"ablat": [float("inf"), *DATA["ablat"][1:]]}, r"ablat\[0\] is inf"),
    ("~ ablat", {"ablat": DATA["ablat"][1:]}, "12 values for 13"),
    ("~ ablat", {"ablat": [str(x) for x in DATA["ablat"]]}, "numbers as text"),
    ("~ ablat", {"ablat": [1 + 2j, *DATA["ablat"][1:]]}, "neither a number nor a name"),
    ("~ ablat", {"ablat": [[1], *DATA["ablat"][1:]]}, "flat list"),
    ("~ ablat", {"ablat": [[1, 2]] * 12 + [[1]]}, "flat list"),
    ("~ ablat", {"ablat": 44}, "1 values for 13"),
    ("~ ablat", {"ablat": None}, "missing"),
    ("~ ablat", {"ablat": ["x", *DATA["ablat"][1:]]}, "mixes"),
    ("~ log(ablat - 13)", DATA, r"log\(ablat - 13\) is -inf in row 4"),
    ("~ log(alloc)", DATA, "cannot be worked out"),
    ("~ ablat + I(2 * ablat)", DATA, "combination"),
    ("~ ablat +", DATA, "cannot be read"),
    ("~ ablat | alloc", DATA, "more than one part"),
    ("~ C(trial)", {"trial": list(range(13))}, "13 coefficients for 13"),
    ("ablat", DATA, "begins with"),
    ({"ablat": DATA["ablat"]}, DATA, "for a formula"),
    ("~ __import__('os').getcwd()", DATA, "not allowed|cannot be read"),
    ("~ I(ablat.__class__)", DATA, "not allowed"),
    ("~ np.load('x')", DATA, "not allowed"),
    ("~ open(alloc)", DATA, "not allowed"),
]


@pytest.mark.parametrize(("formula", "data", "words"), BAD)
def test_what_cannot_be_used_is_said(formula, data, words):
    with pytest.raises(InputError, match=words):
        fitted(formula, data)


@pytest.mark.parametrize(
    ("new", "words"),
    [
        ({"ablat": [1]}, "no column 'alloc'"),
        ({"ablat": [1], "alloc": ["other"]}, "other|levels"),
        ({"ablat": [1, 2], "alloc": ["random"]}, "1 values for 2 rows"),
        ({"ablat": [None], "alloc": ["random"]}, "missing"),
        ([[1, 0, 1]], "columns by name"),
    ],
)
def test_new_rows_that_cannot_be_coded(new, words):
    with pytest.raises(InputError, match=words):
        fitted("~ ablat + alloc").predict(new)


def test_without_formulaic_the_error_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "formulaic", None)
    with pytest.raises(InputError, match=r"formulaic") as caught:
        fitted("~ ablat")
    assert "pip install 'kmeta[frames]'" in str(caught.value)
