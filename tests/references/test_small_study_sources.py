"""Limit meta-analysis, LFK index, p-curve and the bootstrap prediction interval against independent sources.

Data: dat.bcg and dat.hackshaw1998 of R's metadat (Colditz et al. 1994; Hackshaw et al. 1997), log ratios and variances
by escalc(); sbp, of the vignette of R's pimeta 1.1.3; the cisapride trials of Hartung & Knapp 2001.
"""

import math

import numpy as np
import pytest
from scipy import stats

import kmeta as km

from .test_formulas import VI, YI

HACKSHAW = [
    *(0.165514438478, 0.371563556432, 0.703097511413, 0.182321556794, -0.287682072452, 0.727548607277),
    *(0.756121979721, -0.223143551314, -0.235722333521, 0.698134722071, 0.207014169384, 0.182321556794),
    *(0.418710334858, 0.0295588022415, 0.438254930931, 0.0295588022415, 0.85015092937, 0.500775287912),
    *(0.173953307123, 0.418710334858, 0.770108221696, 0.0769610411361, 0.93609335917, 0.482426149244),
    *(0.058268908124, -0.235722333521, -0.301105092784, 0.819779831493, -0.0304592074847, 0.470003629246),
    *(0.173953307123, 0.506817602368, 0.231111720963, 0.0953101798043, 0.506817602368, 0.148420005118),
    0.104360015324,
]
HACKSHAW_V = [
    *(0.0187768854851, 0.0330440389058, 0.540195865342, 0.0312676144887, 0.079655654102, 0.22732059167),
    *(0.088921562707, 0.192679603117, 0.339016347539, 0.0980662024388, 0.0455555485775, 0.231749969641),
    *(0.0796429220192, 0.217395024673, 0.0769579740387, 0.0715017635258, 0.292565772066, 0.0324375074299),
    *(0.0362733466419, 0.483851241822, 0.123816201922, 0.0710851917221, 0.398195433354, 0.0896231240689),
    *(0.0337198883326, 0.0161294909174, 0.180233473436, 0.317147722864, 0.012546845149, 0.113696292351),
    *(0.0893367804166, 0.175985594792, 0.0100290474315, 0.0862143558866, 0.0398749675437, 0.0363997555696),
    0.066419506622,
]
SETS = {"bcg": (YI, VI), "hackshaw": (HACKSHAW, HACKSHAW_V)}

# limitmeta() and radialregression() of metasens 1.5-2 given the estimates and tau2 of rma(yi, vi, method = ...):
# tau2, limit, its se, interval and P, alpha, beta, Q, Q small, Q rest, G2, then the first three shrunken effects
LIMIT = {
    ("bcg", "REML"): (
        *(0.313243258136, -0.629987909162, 0.234387254167, -1.08937848576, -0.17059733256, 0.00719227639405),
        *(-1.04096557984, -0.0473788466574, 152.233008082, 23.0586877401, 129.174320342, 0.909276494801),
        *(-0.6369363277, -1.255312827, -0.9002200523),
    ),
    ("hackshaw", "DL"): (
        *(
            0.0170364443179,
            0.0881414545778,
            0.0780151603658,
            -0.0647654499873,
            0.241048359143,
            0.258560905857,
        ),
        *(0.919706446571, -0.0319020621255, 47.4979457638, 6.62784418075, 40.870101583, 0.952873393758),
        *(0.1042582622, 0.203419518, 0.09661429929),
    ),
}


@pytest.mark.parametrize(("name", "method"), LIMIT)
def test_limit_meta_is_metasens(name, method):
    fit = km.random_effects(*SETS[name], measure="OR", tau2=method)
    found = km.limit_meta(fit)
    ours = (
        *(
            found.tau2,
            found.mu,
            found.se,
            found.ci_low,
            found.ci_high,
            found.p_value,
            found.alpha,
            found.beta,
        ),
        *(found.q, found.q_small, found.q_rest, found.g2, *found.shrunken[:3]),
    )
    np.testing.assert_allclose(ours, LIMIT[name, method], rtol=1e-6)


@pytest.mark.parametrize(
    ("data", "lfk"),
    [
        (SETS["bcg"], -4.10239685595),
        (SETS["hackshaw"], 2.22443779067),
        # the worked example of Furuya-Kanamori et al. 2018 (pain, five trials)
        (([-4.270, -1.710, -0.580, -0.190, 0.000], [0.158, 0.076, 0.018, 0.022, 0.040]), -3.31011153863),
    ],
)
def test_the_lfk_index_is_metasens(data, lfk):
    """lfkindex(TE, sqrt(vi)) of metasens 1.5-2."""
    assert km.doi_plot(*data).lfk == pytest.approx(lfk, rel=1e-10)


def test_p_curve_is_the_application():
    """pcurve() of dmetar 0.1.0, which wraps version 4.06 of the authors' application; printed to three digits.

    Its power comes from a grid of 0.01; it bounds P at 2.2e-16, which no result here reaches.
    """
    found = km.p_curve(*SETS["hackshaw"])
    assert (found.significant, found.k) == (7, 37)
    right = (found.binomial_p, found.right_full_z, found.right_full_p, found.right_half_z, found.right_half_p)
    np.testing.assert_allclose(right, (0.500, -0.688, 0.246, -0.025, 0.490), atol=6e-4)
    flat = (found.flat_binomial_p, found.flat_full_z, found.flat_full_p)
    np.testing.assert_allclose(flat, (0.321, -0.917, 0.180), atol=6e-4)
    np.testing.assert_allclose((found.power_low, found.power_high), (0.05, 0.547), atol=6e-4)
    assert found.power == pytest.approx(0.12, abs=0.005)


def test_the_half_flatness_test_has_its_level():
    """The application's half flatness is not reproduced (see the docstring): here its P is uniform by simulation."""
    random = np.random.default_rng(4)
    shift = stats.norm.isf(0.025) - stats.norm.isf(1 / 3)  # power of a third, but for the other tail
    p = []
    for _ in range(400):
        z = np.abs(random.normal(shift, 1, 60))
        p.append(km.p_curve(z, np.ones(60)).flat_half_p)
    assert stats.kstest(p, "uniform").pvalue > 0.01


SBP = (
    [0.00, 0.10, -0.40, -0.80, -0.63, 0.22, -0.34, -0.51, 0.03, -0.81],
    np.square(
        [
            *(0.42347717, 0.21939179, 0.02551067, 0.19898325, 0.30102594),
            *(0.30102594, 0.07142988, 0.10204269, 0.12245123, 0.30102594),
        ]
    ),
)


def test_the_bootstrap_prediction_interval_is_pimetas():
    """pima(sbp$y, sbp$sigmak): vignette, 25,000 draws, -0.8807 to 0.2240; help page, 50,000: -0.877 to 0.225.

    Limits drawn 25,000 times have a standard error of 0.007 (40 seeds), drawn 1,000,000 times of 0.001.
    """
    fit = km.random_effects(*SBP, measure="MD", tau2="DL", pi="bootstrap", seed=1, n_bootstrap=1_000_000)
    assert fit.mu == pytest.approx(-0.3341, abs=5e-5)
    assert fit.tau2 == pytest.approx(0.0282, abs=5e-5)
    np.testing.assert_allclose((fit.pi_low, fit.pi_high), (-0.8807, 0.2240), atol=0.02)
    np.testing.assert_allclose((fit.pi_low, fit.pi_high), (-0.877, 0.225), atol=0.015)


def test_the_higgins_prediction_interval_is_pimetas():
    """pima(sbp$y, sbp$sigmak, method = "HTS"): -0.7598 to 0.0917."""
    fit = km.random_effects(*SBP, measure="MD", tau2="DL", test="z", pi="riley")
    np.testing.assert_allclose((fit.pi_low, fit.pi_high), (-0.7598, 0.0917), atol=5e-5)


def test_the_cisapride_trials():
    """pima(dat$y, dat$se), vignette, 25,000 draws: 4.141, 0.533 to 33.692, tau2 0.718; a half in every cell."""
    m1, n1 = (
        [15, 12, 29, 42, 14, 44, 14, 29, 10, 17, 38, 19, 21],
        [16, 16, 34, 56, 22, 54, 17, 58, 14, 26, 44, 29, 38],
    )
    m2, n2 = (
        [9, 1, 18, 31, 6, 17, 7, 23, 3, 6, 12, 22, 19],
        [16, 16, 34, 56, 22, 55, 15, 58, 15, 27, 45, 30, 38],
    )
    es = km.effect_sizes("OR", ai=m1, n1i=n1, ci=m2, n2i=n2, add=0.5, to="all")
    fit = km.random_effects(
        es.yi, es.vi, measure="OR", tau2="DL", pi="bootstrap", seed=2, n_bootstrap=400_000
    )
    assert fit.effect == pytest.approx(4.141, abs=5e-4)
    assert fit.tau2 == pytest.approx(0.718, abs=5e-4)
    np.testing.assert_allclose((fit.pi_low, fit.pi_high), (math.log(0.533), math.log(33.692)), atol=0.06)
