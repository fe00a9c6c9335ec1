"""Cluster-robust tests: where theory gives the answer, and what is refused."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kmeta as km
from kmeta.core.errors import InputError
from kmeta.methods.meta.robust import DF, KINDS

seeds = st.integers(0, 10_000)


def drawn(seed, k=18, m=7):
    rng = np.random.default_rng(seed)
    cluster = np.concatenate([np.arange(m), rng.integers(0, m, k - m)])
    v = rng.uniform(0.02, 0.2, k)
    return rng.normal(0.3, np.sqrt(v + 0.05)), v, cluster.tolist(), {"x": rng.normal(size=k)}


def dense(fit, cluster, kind):
    """The sandwich from whole matrices, by definition."""
    x, w = fit.x, np.diag(1 / (fit.vi + fit.tau2))
    bread = np.linalg.inv(x.T @ w @ x)
    e = fit.yi - x @ fit.beta
    meat = np.zeros_like(bread)
    for one in set(cluster):
        rows = [i for i, c in enumerate(cluster) if c == one]
        phi, xi, wi = np.linalg.inv(w)[np.ix_(rows, rows)], x[rows], w[np.ix_(rows, rows)]
        adjust = np.eye(len(rows))
        if kind == "CR2":
            root = np.linalg.cholesky(phi).T
            values, vectors = np.linalg.eigh(root @ (phi - xi @ bread @ xi.T) @ root.T)
            adjust = root.T @ vectors @ np.diag(values**-0.5) @ vectors.T @ root
        if kind == "CR3":
            adjust = np.linalg.inv(np.eye(len(rows)) - xi @ bread @ xi.T @ wi)
        score = xi.T @ wi @ adjust @ e[rows]
        meat += np.outer(score, score)
    return bread @ meat @ bread


@settings(max_examples=30, deadline=None)
@given(seeds, st.sampled_from(["CR0", "CR2", "CR3"]))
def test_the_sandwich_is_the_dense_one(seed, kind):
    y, v, cluster, mods = drawn(seed)
    fit = km.random_effects(y, v, mods=mods, measure="GEN", test="z")
    np.testing.assert_allclose(fit.robust(cluster, kind=kind).vcov, dense(fit, cluster, kind), rtol=1e-7)


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_balanced_clusters_give_hotellings_test(seed):
    """m clusters with the same q estimates each: CR2 is S / m, and the joint test is Hotelling's exact one."""
    rng = np.random.default_rng(seed)
    m, q = 9, 3
    y = rng.normal(0.2, 0.5, (m, q))
    x = np.tile(np.eye(q), (m, 1))
    fit = km.multilevel(
        y.ravel(), np.full(m * q, 0.1), random=[], mods=x, intercept=False, measure="GEN", test="z"
    )
    found = fit.robust(np.repeat(np.arange(m), q))
    s = np.cov(y.T)
    np.testing.assert_allclose(found.vcov, s / m, rtol=1e-8)
    np.testing.assert_allclose(found.df, m - 1, rtol=1e-8)
    t2 = m * y.mean(axis=0) @ np.linalg.solve(s, y.mean(axis=0))
    assert found.qm_df == (q, pytest.approx(m - q))
    assert found.qm == pytest.approx((m - q) / (q * (m - 1)) * t2)


@settings(max_examples=20, deadline=None)
@given(seeds, st.sampled_from(KINDS), st.randoms(use_true_random=False))
def test_order_and_names_do_not_matter(seed, kind, random):
    y, v, cluster, _ = drawn(seed)
    order = list(range(len(y)))
    random.shuffle(order)
    a = km.random_effects(y, v, measure="GEN").robust(cluster, kind=kind)
    mixed = km.random_effects(y[order], v[order], measure="GEN")
    b = mixed.robust([f"centre {cluster[i]}" for i in order], kind=kind)
    assert b.se[0] == pytest.approx(a.se[0], rel=1e-6)
    assert b.df[0] == pytest.approx(a.df[0], rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("df", DF)
def test_every_kind_with_every_df(kind, df):
    y, v, cluster, mods = drawn(1)
    fit = km.multilevel(y, v, groups=cluster, mods=mods, measure="HR", test="z")
    found = fit.robust(cluster, kind=kind, df=df)
    assert (found.se > 0).all()
    assert 0 <= found.qm_p <= 1
    assert found.rows()[0]["ci_low"] < found.mu < found.rows()[0]["ci_high"]
    assert "cluster <-" in found.r_script()
    assert kind in found.summary()


def test_a_wider_level_gives_a_wider_interval():
    y, v, cluster, _ = drawn(1)
    fit = km.random_effects(y, v, measure="GEN")
    assert fit.robust(cluster, level=0.99).ci_low[0] < fit.robust(cluster).ci_low[0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "CR9"}, "no kind is named 'CR9'"),
        ({"df": "many"}, "no df is named 'many'"),
        ({"cluster": [1] * 18}, "1 clusters for 1"),
        ({"cluster": [1, 2]}, "2 values for 18"),
        ({"cluster": [math.nan] * 18}, "missing"),
        ({"level": 2}, "level is 2"),
    ],
)
def test_what_cannot_be_used_is_refused(options, words):
    y, v, cluster, _ = drawn(2)
    options = {"cluster": cluster, **options}
    with pytest.raises(InputError, match=words):
        km.random_effects(y, v, measure="GEN").robust(options.pop("cluster"), **options)


def test_random_effects_that_join_clusters_leave_only_the_plain_sandwich():
    y, v, cluster, _ = drawn(3)
    data = {"study": cluster, "lab": [i % 3 for i in range(18)]}
    fit = km.multilevel(y, v, random=["1 | study", "1 | lab"], data=data, measure="GEN", test="z")
    with pytest.raises(InputError, match="lab joins estimates of different clusters"):
        fit.robust(cluster)
    assert fit.robust(cluster, kind="CR1p").df[0] == 6


def test_weights_of_the_user_have_no_working_model():
    fit = km.random_effects([0.1, 0.2, 0.4], [0.1, 0.1, 0.1], weights=[1, 2, 1], measure="GEN")
    with pytest.raises(InputError, match="weights of the user"):
        fit.robust([1, 2, 3])


@settings(max_examples=20, deadline=None)
@given(seeds, st.sampled_from(["correlated", "hierarchical"]), st.booleans())
def test_robust_variance_knows_no_units(seed, weights, small):
    y, v, cluster, mods = drawn(seed)
    a = km.robust_variance(y, v, cluster, mods=mods, weights=weights, small=small)
    b = km.robust_variance(8 * y, 64 * v, cluster, mods=mods, weights=weights, small=small)
    np.testing.assert_allclose(b.beta, 8 * a.beta, rtol=1e-8)
    np.testing.assert_allclose(b.se, 8 * a.se, rtol=1e-8)
    np.testing.assert_allclose(b.df, a.df, rtol=1e-8)
    assert b.tau2 == pytest.approx(64 * a.tau2, rel=1e-7, abs=1e-12)
    assert "robu(" in a.r_script()
    assert "tau2" in a.summary()


def test_one_estimate_a_cluster_is_a_weighted_mean_with_its_own_errors():
    y, v, _, _ = drawn(4)
    fit = km.robust_variance(y, v, range(18), small=False)
    w = 1 / (v + fit.tau2)
    assert fit.beta[0] == pytest.approx(w @ y / w.sum())
    e = w * (y - fit.beta[0])
    assert fit.se[0] == pytest.approx(math.sqrt(18 / 17 * e @ e) / w.sum())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"weights": "equal"}, "no weights are named 'equal'"),
        ({"rho": 2}, "is 2"),
        ({"cluster": [1] * 18}, "1 clusters for 1"),
        ({"mods": {"x": [1.0] * 18, "z": [2.0] * 18}}, "constant"),
        ({"vi": [0.0] * 18}, "must be above 0"),
        ({"level": 0}, "level is 0"),
    ],
)
def test_robust_variance_refuses(options, words):
    y, v, cluster, _ = drawn(2)
    given = {"vi": v, "cluster": cluster, **options}
    with pytest.raises(InputError, match=words):
        km.robust_variance(y, given.pop("vi"), given.pop("cluster"), **given)
