"""Curves and tests beside lifelines, an independent implementation, on random data with ties and late entry.

Its restricted mean is left out: what it calls a variance is that of min(T, tau), not of the estimate.
"""

import warnings

import numpy as np
import pytest

import kmeta as km

lifelines = pytest.importorskip("lifelines")
pytest.importorskip("lifelines.statistics")
pytestmark = pytest.mark.filterwarnings("ignore:.*keyword-only")  # of lifelines under newer pandas
SEEDS = range(5)


def sample(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(20, 120))
    time = rng.integers(2, 40, n).astype(float)
    return time, rng.integers(0, 2, n), rng.integers(0, 3, n), np.floor(time * rng.uniform(0, 0.9, n))


@pytest.mark.parametrize("seed", SEEDS)
def test_kaplan_meier_and_nelson_aalen(seed):
    time, event, _, _ = sample(seed)
    ours = km.kaplan_meier(time, event).curves[0]
    theirs = lifelines.KaplanMeierFitter().fit(time, event)
    np.testing.assert_allclose(ours.survival, theirs.survival_function_.iloc[1:, 0], atol=1e-12)
    limits = theirs.confidence_interval_.iloc[1:].to_numpy()
    known = ~np.isnan(ours.ci_low)
    np.testing.assert_allclose(ours.ci_low[known], limits[known, 0], atol=1e-9)
    np.testing.assert_allclose(ours.ci_high[known], limits[known, 1], atol=1e-9)
    hazard = lifelines.NelsonAalenFitter(nelson_aalen_smoothing=False).fit(time, event)
    np.testing.assert_allclose(ours.hazard, hazard.cumulative_hazard_.iloc[1:, 0], atol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_late_entry(seed):
    time, event, _, entry = sample(seed)
    ours = km.kaplan_meier(time, event, entry=entry).curves[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where the risk set empties
        theirs = lifelines.KaplanMeierFitter().fit(time, event, entry=entry)
    found = theirs.survival_function_at_times(ours.time).to_numpy()
    np.testing.assert_allclose(ours.survival, found, atol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("logrank", None), ("gehan", "wilcoxon"), ("tarone-ware", "tarone-ware"), ("peto-prentice", "peto")],
)
def test_the_log_rank_family(seed, ours, theirs):
    time, event, group, _ = sample(seed)
    fit = km.logrank(time, event, group, weights=ours)
    found = lifelines.statistics.multivariate_logrank_test(time, group, event, weightings=theirs)
    assert fit.chi2 == pytest.approx(found.test_statistic, rel=1e-9)
    assert fit.p == pytest.approx(found.p_value, rel=1e-9)
