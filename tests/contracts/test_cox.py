"""What any Cox model must do: units, order, scales, ties, weights, strata, the score test."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kmeta.core.errors import ConvergenceError, InputError
from kmeta.methods.survival import cox, cox_bootstrap

METHODS = ("efron", "breslow", "exact")


@st.composite
def trials(draw, ties=True):
    """(time, event, x (n, 2)): integer times with ties, or times that all differ."""
    n = draw(st.integers(12, 40))
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    time = random.integers(1, 9, n).astype(float) if ties else random.permutation(n) + 1.0
    event = (random.random(n) < 0.8).astype(float)
    x = np.column_stack([random.integers(0, 2, n), random.normal(size=n).round(2)])
    return time, event, x


def fitted(*columns, **options):
    """The fit, or the draw is thrown away: small samples may have no maximum."""
    try:
        return cox(*columns, **options)
    except (ConvergenceError, InputError):
        return assume(False)


@pytest.mark.parametrize("ties", METHODS)
@settings(max_examples=15, deadline=None)
@given(trials(), st.floats(1e-6, 1e6))
def test_the_unit_of_time_does_not_matter(ties, trial, unit):
    time, event, x = trial
    plain = fitted(time, event, x, ties=ties)
    assert cox(time * unit, event, x, ties=ties).beta == pytest.approx(plain.beta, abs=1e-9)


@pytest.mark.parametrize("ties", METHODS)
@settings(max_examples=15, deadline=None)
@given(trials(), st.randoms(use_true_random=False))
def test_the_order_of_patients_does_not_matter(ties, trial, shuffler):
    time, event, x = trial
    plain = fitted(time, event, x, ties=ties)
    order = list(range(len(time)))
    shuffler.shuffle(order)
    other = cox(time[order], event[order], x[order], ties=ties)
    assert other.beta == pytest.approx(plain.beta, abs=1e-9)
    assert other.se == pytest.approx(plain.se, rel=1e-8)
    assert other.concordance().c == pytest.approx(plain.concordance().c, abs=1e-12)
    assert other.residuals() == pytest.approx(plain.residuals()[order], abs=1e-9)


@pytest.mark.parametrize("ties", METHODS)
@settings(max_examples=15, deadline=None)
@given(trials(), st.floats(-1e4, 1e4), st.floats(1e-3, 1e3), st.booleans())
def test_scaling_and_shifting_a_covariate(ties, trial, shift, unit, turned):
    time, event, x = trial
    unit = -unit if turned else unit
    plain = fitted(time, event, x, ties=ties)
    other = cox(time, event, x * [1, unit] + [0, shift * abs(unit)], ties=ties)
    assert other.beta * [1, unit] == pytest.approx(plain.beta, abs=1e-6)
    assert other.se * [1, abs(unit)] == pytest.approx(plain.se, rel=1e-6)
    assert other.loglik == pytest.approx(plain.loglik, abs=1e-7)


@settings(max_examples=25, deadline=None)
@given(trials(ties=False))
def test_without_ties_the_three_likelihoods_are_one(trial):
    found = [fitted(*trial, ties=ties) for ties in METHODS]
    for other in found[1:]:
        assert other.beta == pytest.approx(found[0].beta, abs=1e-9)
        assert other.loglik == pytest.approx(found[0].loglik, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(trials())
def test_a_weight_of_two_is_a_patient_twice_in_breslows_likelihood(trial):
    time, event, x = trial
    twice = np.arange(len(time)) % 3 == 0
    weighted = fitted(time, event, x, ties="breslow", weights=1.0 + twice)
    rows = np.concatenate([np.arange(len(time)), np.flatnonzero(twice)])
    doubled = cox(time[rows], event[rows], x[rows], ties="breslow")
    assert weighted.beta == pytest.approx(doubled.beta, abs=1e-9)
    assert weighted.se == pytest.approx(doubled.se, rel=1e-8)
    assert weighted.concordance().c == pytest.approx(doubled.concordance().c, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(trials())
def test_the_score_test_of_the_exact_likelihood_is_the_log_rank_test(trial):
    time, event, x = trial
    arm = x[:, 0]
    fit = fitted(time, event, arm, ties="exact")
    excess, variance = 0.0, 0.0
    for t in np.unique(time[event > 0]):
        at_risk, dead = time >= t, (time == t) & (event > 0)
        n, d, share = at_risk.sum(), dead.sum(), arm[at_risk].mean()
        excess += arm[dead].sum() - d * share
        variance += d * share * (1 - share) * (n - d) / max(n - 1, 1)
    assert fit.score.chi2 == pytest.approx(excess**2 / variance, rel=1e-9)


@settings(max_examples=15, deadline=None)
@given(trials())
def test_one_stratum_and_entry_at_zero_are_the_plain_model(trial):
    time, event, x = trial
    plain = fitted(*trial)
    other = cox(time, event, x, strata=["a"] * len(time), entry=np.zeros(len(time)))
    assert other.beta == pytest.approx(plain.beta, abs=1e-12)
    assert other.loglik == pytest.approx(plain.loglik, abs=1e-12)


@settings(max_examples=15, deadline=None)
@given(trials())
def test_splitting_follow_up_changes_nothing(trial):
    """A patient as two rows, before and after a time: left truncation puts them together again."""
    time, event, x = trial
    plain = fitted(*trial)
    later = time > 4
    other = cox(
        np.concatenate([np.minimum(time, 4), time[later]]),
        np.concatenate([np.where(later, 0, event), event[later]]),
        np.concatenate([x, x[later]]),
        entry=np.concatenate([np.zeros(len(time)), np.full(later.sum(), 4.0)]),
        cluster=np.concatenate([np.arange(len(time)), np.flatnonzero(later)]),
    )
    assert other.beta == pytest.approx(plain.beta, abs=1e-9)
    assert np.sqrt(np.diag(other.naive_vcov)) == pytest.approx(plain.se, rel=1e-8)
    assert other.se == pytest.approx(cox(*trial, robust=True).se, rel=1e-8)


@settings(max_examples=15, deadline=None)
@given(trials())
def test_each_patient_a_cluster_is_the_robust_variance(trial):
    time, event, x = trial
    robust = fitted(time, event, x, robust=True)
    cluster = cox(time, event, x, cluster=range(len(time)))
    assert cluster.vcov == pytest.approx(robust.vcov, rel=1e-9)


@settings(max_examples=15, deadline=None)
@given(trials())
def test_residuals_sum_to_nothing_at_the_maximum(trial):
    fit = fitted(*trial)
    assert fit.residuals().sum() == pytest.approx(0, abs=1e-8)
    assert fit.residuals("score").sum(axis=0) == pytest.approx([0, 0], abs=1e-7)
    assert fit.residuals("schoenfeld").sum(axis=0) == pytest.approx([0, 0], abs=1e-7)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@settings(max_examples=10, deadline=None)
@given(trials(), st.integers(0, 1000))
def test_a_replicate_is_a_weighted_fit(ties, trial, seed):
    time, event, x = trial
    random = np.random.default_rng(seed)
    weights = random.multinomial(len(time), np.full(len(time), 1 / len(time)), size=4) * 1.5
    try:
        found = cox_bootstrap(time, event, x, ties=ties, weights=weights).replicates
    except (ConvergenceError, InputError):
        assume(False)
    for w, beta in zip(weights, found, strict=True):
        own = w > 0
        try:
            expected = cox(time[own], event[own], x[own], ties=ties, weights=w[own]).beta
        except (ConvergenceError, InputError):
            assert np.isnan(beta).all()
            continue
        assert beta == pytest.approx(expected, abs=1e-6)
