"""Diagnostics against metafor 3.8-1 (R 4.2.2) on its data set dat.bcg, log risk ratios by escalc()."""

import numpy as np
import pytest

import kmeta as km

TPOS = [4, 6, 3, 62, 33, 180, 8, 505, 29, 17, 186, 5, 27]
TNEG = [119, 300, 228, 13536, 5036, 1361, 2537, 87886, 7470, 1699, 50448, 2493, 16886]
CPOS = [11, 29, 11, 248, 47, 372, 10, 499, 45, 65, 141, 3, 29]
CNEG = [128, 274, 209, 12619, 5761, 1079, 619, 87892, 7232, 1600, 27197, 2338, 17825]
ABLAT = [44, 55, 42, 52, 13, 44, 19, 13, 27, 42, 18, 33, 33]
YEAR = [1948, 1949, 1960, 1977, 1973, 1953, 1973, 1980, 1968, 1961, 1974, 1969, 1976]

# r <- rma(yi, vi, mods = ~ ablat + year, test = "knha", control = list(threshold = 1e-12, maxiter = 10000))
# influence(r), rstandard(r), blup(r), ranef(r), baujat(r)
KNHA = {
    "rstudent": [
        0.265918729953,
        -0.385274624701,
        -0.448327935647,
        -1.24665592559,
        -0.136799683312,
        0.92318307141,
    ],
    "dffits": [
        0.159418027511,
        -0.212080370513,
        -0.0961617164503,
        -2.61331308774,
        -0.0241426494304,
        0.781008875697,
    ],
    "cook_d": [
        0.0282832336312,
        0.0504094469158,
        0.0101729200578,
        5.95415964801,
        0.00263385746122,
        0.58626515556,
    ],
    "cov_r": [1.91121051979, 2.00668337458, 1.44108227788, 3.85814815495, 2.37199910846, 1.63512561235],
    "tau2_del": [
        0.131691266554,
        0.130786693096,
        0.119067890802,
        0.0905641260945,
        0.1496610134,
        0.0994281705595,
    ],
    "qe_del": [28.3142403434, 27.5744325301, 27.7571526932, 23.1836456925, 27.2542795902, 21.2875310478],
    "hat": [0.172499104365, 0.236681193509, 0.0487005260206, 0.808215075171, 0.248260543306, 0.406067175638],
    "weight": [3.36638353456, 4.81058093891, 2.79194061029, 11.2312399593, 9.06810810201, 12.4818000537],
}
DFBS_YEAR = [
    -0.133172943847,
    0.0862449481159,
    0.0248915354989,
    -1.96886713376,
    -0.0324930367626,
    -0.520923518334,
]
RSTANDARD = [0.287509747137, -0.44965605657, -0.515782321809, -1.33032520419, -0.20490748951, 1.00771699027]
BLUP_SE = [0.366281626795, 0.326589249293, 0.327239503204, 0.141384832581, 0.1999027846, 0.0818697087648]
RANEF_SE = [0.297694315401, 0.286852652985, 0.29808475592, 0.331904479613, 0.241120301783, 0.241964724588]
BAUJAT_X = [0.0684027587979, 0.154335863973, 0.253075534202, 0.339414276042, 0.031563344149, 0.60313494186]
BAUJAT_Y = [
    0.0194393554977,
    0.0324615907974,
    0.00852686727545,
    1.23830777389,
    0.000423068561908,
    0.341577035468,
]


def bcg():
    a, b, c, d = (np.array(column, dtype=float) for column in (TPOS, TNEG, CPOS, CNEG))
    return np.log((a / (a + b)) / (c / (c + d))), 1 / a - 1 / (a + b) + 1 / c - 1 / (c + d)


def test_a_meta_regression_with_knapp_and_hartung():
    y, v = bcg()
    fit = km.random_effects(y, v, measure="RR", mods={"ablat": ABLAT, "year": YEAR}, test="knha")
    got = fit.influence()
    for name, wanted in KNHA.items():
        np.testing.assert_allclose(getattr(got, name)[:6], wanted, rtol=1e-7, err_msg=name)
    np.testing.assert_allclose(got.dfbs[:6, 2], DFBS_YEAR, rtol=1e-8)
    assert got.influential.nonzero()[0].tolist() == [3]
    np.testing.assert_allclose(fit.rstandard().z[:6], RSTANDARD, rtol=1e-8)
    np.testing.assert_allclose(fit.blup().se[:6], BLUP_SE, rtol=1e-10)
    np.testing.assert_allclose(fit.ranef().se[:6], RANEF_SE, rtol=1e-10)
    np.testing.assert_allclose(fit.baujat().x[:6], BAUJAT_X, rtol=1e-8)
    np.testing.assert_allclose(fit.baujat().y[:6], BAUJAT_Y, rtol=1e-6)


def test_residuals_with_user_weights():
    """rstandard(rma(yi, vi, weights = 1:13))$se."""
    y, v = bcg()
    fit = km.random_effects(y, v, measure="RR", weights=np.arange(1, 14), test="z")
    wanted = [0.818693220253, 0.728679057868, 0.852080783818, 0.591123536255, 0.608172951484, 0.568684602343]
    np.testing.assert_allclose(fit.rstandard().se[:6], wanted, rtol=1e-6)


WEIGHTED = {
    "rstudent": [-0.0898302711572, -0.8451963982084, -0.7135866639578],
    "dffits": [-0.00767725084795, -0.21887264957658, -0.17960086417755],
    "cook_d": [7.63031979968e-05, 6.07300780616e-02, 4.05738211426e-02],
    "cov_r": [1.28478170347, 1.46086071394, 1.25166840236],
    "tau2_del": [0.0858830970061, 0.0896840368193, 0.0811097260942],
    "hat": [0.0259187199826, 0.1178570456741, 0.0657866093416],
}


def test_influence_and_the_standard_error_with_user_weights():
    """r <- rma(yi, vi, weights = 1:13, mods = ~ ablat, test = "knha"); influence(r), baujat(r)."""
    y, v = bcg()
    fit = km.random_effects(y, v, measure="RR", weights=np.arange(1, 14), mods={"ablat": ABLAT}, test="knha")
    np.testing.assert_allclose(np.sqrt(np.diag(fit.vcov)), [0.31305593798878, 0.00952911070647], rtol=1e-9)
    got = fit.influence()
    for name, wanted in WEIGHTED.items():
        np.testing.assert_allclose(getattr(got, name)[:3], wanted, rtol=1e-8, err_msg=name)
    np.testing.assert_allclose(
        got.dfbs[:3, 1], [-0.00753312328889, -0.22922177972247, -0.16953852172506], rtol=1e-8
    )
    np.testing.assert_allclose(
        fit.baujat().y[:3], [5.62960639566e-05, 3.92450989696e-02, 2.99068824649e-02], rtol=1e-6
    )


@pytest.mark.parametrize(
    ("test", "p", "qm_p"),
    [
        ("knha", [0.93253968254, 0.205555555556], 0.205555555556),
        ("z", [0.919444444444, 0.186111111111], 0.186111111111),
    ],
)
def test_exact_permutation_of_a_moderator(test, p, qm_p):
    """permutest(rma(yi, vi, mods = ~ ablat, method = "DL", test = ...), exact = TRUE) on the first 7 trials."""
    y, v = bcg()
    fit = km.random_effects(y[:7], v[:7], measure="RR", mods={"ablat": ABLAT[:7]}, tau2="DL", test=test)
    got = fit.permutation_test(exact=True)
    assert got.permutations == 2520  # 7! / 2: two trials share their latitude
    np.testing.assert_allclose(got.p_value, p, rtol=1e-10)
    assert got.qm_p == pytest.approx(qm_p, rel=1e-10)


def test_exact_permutation_of_signs():
    """permutest(rma(yi, vi, method = "DL"), exact = TRUE): p = 0.001708984375 of 8,192."""
    fit = km.random_effects(*bcg(), measure="RR", tau2="DL", test="z")
    assert fit.permutation_test(exact=True).p_value.tolist() == [0.001708984375]


def test_h2_of_a_subset_without_heterogeneity_is_that_of_its_model():
    """rma(yi, vi, data = dat[1:2, ], method = "DL")$H2 is 1; the peer's gosh() prints Q / (k - 1), here 0.931."""
    y, v = bcg()
    got = km.random_effects(y[:3], v[:3], measure="RR", tau2="DL").gosh()
    pair = got.include.tolist().index([True, True, False])
    assert got.h2[pair] == 1.0
    assert got.q[pair] == pytest.approx(0.931479077449156)


ALLOC = [{"r": "random", "a": "alternate", "s": "systematic"}[letter] for letter in "rrrraarrrssss"]


@pytest.mark.parametrize(
    ("test", "common_tau2", "between", "tau2", "se"),
    [
        ("z", False, 1.86144494615464, 0.392528006900774, 0.27595610297277),
        ("knha", False, 2.03834716617387, 0.392528006900774, 0.253127526069539),
        ("z", True, 1.76751140193195, 0.3615036643239, 0.267244094065229),
        ("knha", True, 2.06439583441246, 0.3615036643239, 0.253994865198156),
    ],
)
def test_subgroups(test, common_tau2, between, tau2, se):
    """meta: metagen(yi, sqrt(vi), subgroup = alloc, tau.common = ..., method.random.ci = "classic" or "HK")."""
    y, v = bcg()
    got = km.subgroups(y, v, ALLOC, measure="RR", test=test, common_tau2=common_tau2)
    random = got.fits[got.levels.index("random")]
    assert got.q_between == pytest.approx(between, rel=1e-5)
    assert (random.tau2, random.se) == pytest.approx((tau2, se), rel=1e-5)
    assert got.q_between_common == pytest.approx(19.8653698196656, rel=1e-8)


@pytest.mark.parametrize(
    ("name", "mods", "tau2", "se"),
    [
        ("DL2", None, 0.317955566121, 0.174473397125),
        ("HE2", None, 0.318191188204, 0.175177726027),
        ("DL2", {"ablat": ABLAT}, 0.1179880280606, 0.0842240631905),
        ("HE2", {"ablat": ABLAT}, 0.153464296931, 0.110598238522),
    ],
)
def test_two_step_estimators(name, mods, tau2, se):
    """f <- rma(yi, vi, method = "DL" or "HE"); rma(yi, vi, method = "GENQ", weights = 1 / (vi + f$tau2))."""
    fit = km.random_effects(*bcg(), measure="RR", tau2=name, mods=mods, test="z")
    assert (fit.tau2, fit.tau2_se) == pytest.approx((tau2, se), rel=1e-10)
