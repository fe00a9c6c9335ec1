"""Correlated errors, crossed effects, structured outcomes: the algebra against dense matrices, and what is refused."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import kmeta as km
from kmeta.core.errors import InputError, ReviewError
from kmeta.methods.meta.block_likelihood import BlockModel
from kmeta.methods.meta.random_terms import STRUCTURES, terms_of
from kmeta.methods.meta.sampling_covariance import as_covariance

seeds = st.integers(0, 10_000)


def drawn(seed, k=14):
    """Estimates of studies, labs and times, with errors correlated within studies."""
    rng = np.random.default_rng(seed)
    study, lab = rng.integers(0, 5, k), rng.integers(0, 3, k)
    time = np.array([int(np.sum(study[:i] == study[i])) for i in range(k)])
    v = rng.uniform(0.01, 0.3, k)
    y = rng.normal(0.2, np.sqrt(v)) + rng.normal(0, 0.4, 5)[study] + rng.normal(0, 0.3, 3)[lab]
    return {
        "y": y,
        "v": v,
        "x": rng.normal(size=k),
        "study": study.tolist(),
        "lab": lab.tolist(),
        "time": time.tolist(),
        "arm": list(range(k)),
    }


def model(one, random, struct=(), rho=0.4):
    covariance = km.impute_covariance(one["v"], one["study"], rho=rho)
    x = np.column_stack([np.ones(len(one["y"])), one["x"]])
    terms = terms_of(random, one, len(one["y"]), struct)
    return BlockModel(one["y"], covariance, x, terms), covariance, x, terms


def dense_height(one, covariance, x, terms, parts, restricted):
    """The log-likelihood by definition; the covariance of each term from its formula."""
    total = covariance.dense()
    for term, part in zip(terms, parts, strict=True):
        same = term.outer[:, None] == term.outer[None, :]
        if term.struct:
            g = term.matrix(part)
            total = total + g[np.ix_(term.inner, term.inner)] * same
        else:
            total = total + part[0] * same
    inverse = np.linalg.inv(total)
    gram = x.T @ inverse @ x
    rest = one["y"] - x @ np.linalg.solve(gram, x.T @ inverse @ one["y"])
    height = -0.5 * (np.linalg.slogdet(total)[1] + rest @ inverse @ rest)
    return height - 0.5 * np.linalg.slogdet(gram)[1] * restricted


RANDOM = st.sampled_from(
    [
        (["1 | study/arm", "1 | lab"], ()),
        (["1 | lab", "1 | study"], ()),
        *((["time | study", "1 | lab"], (name,)) for name in STRUCTURES),
    ]
)


def parameters(terms, rng):
    values = {"variance": 0.3, "sd": 0.5, "root": 0.5, "free": 0.2, "rho": 0.3}
    return np.array([values[kind] * rng.uniform(0.5, 1.5) for term in terms for kind in term.kinds])


@settings(max_examples=60, deadline=None)
@given(seeds, RANDOM, st.booleans())
def test_the_blockwise_likelihood_is_the_dense_one(seed, random, restricted):
    one = drawn(seed)
    layout, covariance, x, terms = model(one, *random)
    rng = np.random.default_rng(seed)
    a, b = parameters(terms, rng), parameters(terms, rng)

    def fast(theta):
        from kmeta.methods.meta.correlated import scaled

        at = layout.solve(scaled(layout, theta))
        return layout.height(at, restricted=restricted)

    def slow(theta):
        return dense_height(one, covariance, x, terms, layout.split(theta), restricted)

    assert fast(a) - fast(b) == pytest.approx(slow(a) - slow(b), rel=1e-8, abs=1e-8)


@settings(max_examples=60, deadline=None)
@given(seeds, RANDOM, st.booleans())
def test_slopes_are_those_of_the_height(seed, random, restricted):
    one = drawn(seed)
    layout, _, _, terms = model(one, *random)
    theta = parameters(terms, np.random.default_rng(seed))
    found = layout.point(theta, restricted=restricted).slope
    for j in range(len(theta)):
        ends = []
        for sign in (1, -1):
            moved = theta.copy()
            moved[j] += sign * 1e-5
            ends.append(layout.height(layout.solve(moved), restricted=restricted))
        assert found[j] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-4, abs=1e-5)


@settings(max_examples=25, deadline=None)
@given(seeds, st.sampled_from(["REML", "ML"]))
def test_the_general_way_agrees_with_the_nested_one(seed, method):
    one = drawn(seed)
    options = {"measure": "GEN", "method": method, "test": "z"}
    nested = km.multilevel(one["y"], one["v"], groups=one["study"], **options)
    general = km.multilevel(one["y"], one["v"], random="1 | study/arm", data=one, **options)
    stats = [fit.fit_stats()[method]["ll"] for fit in (nested, general)]
    assert stats[0] == pytest.approx(stats[1], abs=1e-8)
    assert general.mu == pytest.approx(nested.mu, abs=1e-4)
    assert general.q == pytest.approx(nested.q)


@settings(max_examples=25, deadline=None)
@given(seeds, st.floats(0.01, 100))
def test_units_do_not_matter(seed, unit):
    one = drawn(seed)
    options = {"random": ["1 | study", "1 | lab"], "data": one, "measure": "GEN", "test": "z"}
    a = km.multilevel(one["y"], one["v"], **options)
    b = km.multilevel(unit * one["y"], unit**2 * one["v"], **options)
    assert b.mu == pytest.approx(unit * a.mu, rel=1e-5, abs=1e-5 * unit)
    assert b.se == pytest.approx(unit * a.se, rel=1e-5)


@settings(max_examples=25, deadline=None)
@given(seeds, st.randoms(use_true_random=False))
def test_order_does_not_matter(seed, random):
    one = drawn(seed)
    order = list(range(len(one["y"])))
    random.shuffle(order)
    mixed = {name: [values[i] for i in order] for name, values in one.items()}
    fits = []
    for each in (one, mixed):
        v = km.impute_covariance(each["v"], each["study"], rho=0.3)
        fits.append(km.multilevel(each["y"], v, random="time | study", data=each, measure="GEN", test="z"))
    assert fits[0].mu == pytest.approx(fits[1].mu, abs=1e-5)
    assert fits[0].se == pytest.approx(fits[1].se, rel=1e-4)


@settings(max_examples=25, deadline=None)
@given(seeds, st.sampled_from([["1 | study", "1 | lab"], ["1 | study/arm"]]))
def test_no_point_of_a_grid_is_higher(seed, random):
    one = drawn(seed)
    fit = km.multilevel(one["y"], one["v"], random=random, data=one, measure="GEN", test="z")
    covariance, x, terms = as_covariance(one["v"]), np.ones((len(one["y"]), 1)), fit.terms_of_random()

    def height(*parts):
        return dense_height(one, covariance, x, terms, [np.array([part]) for part in parts], True)

    best = height(*fit.sigma2)
    points = [0, *np.geomspace(1e-3, 10, 9)]
    assert best >= max(height(a, b) for a in points for b in points) - 1e-8


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_intervals_hold_the_estimate_and_are_nested_in_level(seed):
    one = drawn(seed, 20)
    fit = km.multilevel(one["y"], one["v"], random="1 | study/arm", data=one, measure="GEN", test="z")
    for part, narrow, wide in zip(
        fit.parts, fit.variance_intervals(0.8), fit.variance_intervals(0.95), strict=True
    ):
        assert 0 <= wide[0] <= narrow[0] <= part.value <= narrow[1] <= wide[1]


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_intervals_agree_with_the_nested_ones(seed):
    one = drawn(seed, 20)
    options = {"measure": "GEN", "test": "z"}
    nested = km.multilevel(one["y"], one["v"], groups=one["study"], **options)
    general = km.multilevel(one["y"], one["v"], random="1 | study/arm", data=one, **options)
    for a, b in zip(nested.variance_intervals(), general.variance_intervals(), strict=True):
        assert a == pytest.approx(b, rel=1e-4, abs=1e-5)


def test_without_random_effects_it_is_generalised_least_squares():
    one = drawn(3)
    v = km.impute_covariance(one["v"], one["study"], rho=0.5)
    fit = km.multilevel(one["y"], v, random=[], measure="GEN", test="z")
    inverse = np.linalg.inv(v.dense())
    assert fit.mu == pytest.approx(inverse.sum(axis=0) @ one["y"] / inverse.sum())
    assert fit.se == pytest.approx(inverse.sum() ** -0.5)
    assert fit.tau2 == 0
    assert fit.weights @ one["y"] / 100 == pytest.approx(fit.mu)


def test_a_crossed_factor_is_kept_out_of_the_blocks():
    rng = np.random.default_rng(1)
    k = 600
    one = {"study": np.repeat(np.arange(200), 3).tolist(), "lab": rng.integers(0, 8, k).tolist()}
    layout = BlockModel(
        rng.normal(size=k),
        as_covariance(np.full(k, 0.1)),
        np.ones((k, 1)),
        terms_of(["1 | study", "1 | lab"], one, k, ()),
    )
    assert [term.name for term in layout.crossed] == ["lab"]
    assert max(v.shape[1] for v in layout.v) == 3


def test_what_a_result_can_do():
    one = drawn(5, 24)
    fit = km.multilevel(
        one["y"], one["v"], random=["lab | study"], struct="UN", data=one, measure="HR", test="z"
    )
    assert "rho lab | study" in fit.summary()
    assert 'struct = c("UN")' in fit.r_script()
    assert math.isnan(fit.pi_low)
    low, high = fit.predict(inner="0").pi_low[0], fit.predict(inner="0").pi_high[0]
    assert low < fit.mu < high
    assert fit.leave_one_out().labels == tuple(dict.fromkeys(map(str, one["study"])))
    assert fit.to_dict()["random"] == ["lab | study"]
    robust = fit.robust(one["study"])
    assert "Satterthwaite" in robust.summary() or "satterthwaite" in robust.summary()
    assert "clubSandwich = TRUE" in robust.r_script()
    with pytest.raises(InputError, match="no level is named 'z'"):
        fit.predict(inner="z")


NAMED = {"study": [1] * 14, "name": ["a"] * 14}
NOISE = np.random.default_rng(1).normal(size=(14, 14))


def general(**options):
    one = drawn(2)
    given = {"yi": one["y"], "vi": one["v"], "random": "1 | study", "data": one, "measure": "GEN", **options}
    return km.multilevel(given.pop("yi"), given.pop("vi"), **given)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"random": "study"}, "'study' is not understood"),
        ({"random": "1 | nothing"}, "no column is named 'nothing'"),
        ({"random": ["1 | study", "1 | study"]}, "stands twice"),
        ({"random": "time | study", "struct": "XX"}, "no structure is named 'XX'"),
        ({"random": "time | study", "struct": ["CS", "UN"]}, "2 structures for 1 terms"),
        ({"random": "name | study", "struct": "AR", "data": NAMED}, "time is not a number"),
        ({"random": "1 | study", "data": {"study": [1, 2]}}, "2 values for 14"),
        ({"random": "1 | study", "data": {"study": [None] * 14}}, "missing"),
        ({"vi": np.eye(3)}, "yi has 14 values, vi 3"),
        ({"vi": -np.eye(14)}, "must be above 0"),
        ({"vi": np.ones((14, 14))}, "not positive definite"),
        ({"vi": np.triu(np.ones((14, 14)))}, "not symmetric"),
        ({"vi": np.full((14, 14), np.nan)}, "NaN"),
        ({"vi": [[1, 2], [3]]}, "rows differ in length"),
        ({"yi": ["a"] * 14}, "not a number"),
        ({"yi": [math.inf] * 14}, "inf"),
        ({"mods": {"a": [1.0] * 13}}, "13 values for 14"),
        ({"mods": {"a": list(range(14)), "b": list(range(14))}}, "combination"),
        ({"mods": NOISE}, "15 coefficients for 14"),
        ({"intercept": False}, "nothing is left"),
        ({"random": "1 | lab", "mods": NOISE[:, :3]}, "no degrees of freedom"),
        ({"random": None}, "no groups are given"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused(options, words):
    if options.get("random", "") is None:
        options = {**options, "vi": np.eye(14)}
    with pytest.raises(InputError, match=words):
        general(**options)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(-1e6, 1e6),
            st.floats(1e-8, 1e8),
            st.integers(0, 3),
            st.integers(0, 2),
        ),
        min_size=2,
        max_size=9,
    ),
    st.sampled_from(["1 | study", "1 | study/arm", "lab | study"]),
    st.sampled_from(STRUCTURES),
)
def test_hostile_data_give_numbers_or_a_named_error(rows, random, struct):
    y, v, study, lab = zip(*rows, strict=True)
    data = {"study": study, "lab": lab, "arm": range(len(y))}
    assume(len(set(study)) > 1)
    data["arm"] = list(data["arm"])
    try:
        fit = km.multilevel(y, v, random=random, struct=struct, data=data, measure="GEN", test="z")
    except ReviewError as error:
        fit = error
    if isinstance(fit, ReviewError):
        assert fit.message
    else:
        assert math.isfinite(fit.mu)
        assert fit.se > 0
        assert all(part.value >= 0 for part in fit.parts if part.kind != "rho")
