"""Counts without a finite estimate: found at once, with the study or the coefficient that is to blame."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kmeta as km
from kmeta.core.errors import ConvergenceError, InputError
from kmeta.methods.meta.separation import effect_ends, group_ends, separating

MODELS = [
    *(
        ("PLO", "UM.FS"),
        ("IRLN", "UM.FS"),
        ("OR", "UM.FS"),
        ("OR", "UM.RS"),
        ("OR", "CM.EL"),
        ("OR", "CM.AL"),
    ),
    *(("IRR", "UM.FS"), ("IRR", "UM.RS"), ("IRR", "CM.EL")),
]
SHARE = st.sampled_from([0.0, 0.0, 0.02, 0.1, 0.5, 1.0])


@st.composite
def sparse(draw):
    """Two groups of 2 to 6 studies with shares of events that are mostly at the ends, and perhaps a moderator."""
    k = draw(st.integers(2, 6))
    n = np.array(draw(st.lists(st.integers(1, 50), min_size=2 * k, max_size=2 * k))).reshape(2, k)
    share = np.array(draw(st.lists(SHARE, min_size=2 * k, max_size=2 * k))).reshape(2, k)
    x = np.floor(share * n + draw(st.sampled_from([0.0, 0.9]))).astype(int)
    mods = draw(st.none() | st.lists(st.integers(0, 2), min_size=k, max_size=k))
    return np.minimum(x, n), n, None if mods is None else {"m": mods}


def columns(measure, x, n):
    return {
        "PLO": {"xi": x[0], "ni": n[0]},
        "IRLN": {"xi": x[0], "ti": 10.0 * n[0]},
        "OR": {"ai": x[0], "n1i": n[0], "ci": x[1], "n2i": n[1]},
        "IRR": {"x1i": x[0], "t1i": 10.0 * n[0], "x2i": x[1], "t2i": 10.0 * n[1]},
    }[measure]


@settings(deadline=None, max_examples=60)
@given(sparse(), st.sampled_from(MODELS))
def test_sparse_counts_give_a_maximum_or_say_why_not(data, which):
    x, n, mods = data
    measure, model = which
    counts = columns(measure, x, n)
    try:
        fit = km.glmm(measure, model=model, mods=mods, **counts)
    except InputError:
        return
    except ConvergenceError as error:
        said = error.message
    else:
        said = ""
    if said:
        if "no finite" in said:
            assert "study" in said
            assert said.startswith(("no finite estimate of", "no finite variance between studies"))
        else:  # the climb itself fails, and says how far it was from the top
            assert "from where the slopes vanish" in said
        return
    assert np.isfinite((fit.mu, fit.se, fit.tau2, fit.log_likelihood)).all()
    held = km.glmm(measure, model=model, mods=mods, method="EE", **counts)
    assert fit.log_likelihood >= held.log_likelihood - 1e-7
    assert fit.summary()


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(-2, 2), st.sampled_from([-1, 0, 1])), min_size=2, max_size=8))
def test_separation_is_what_trying_every_direction_finds(rows):
    """With an intercept and one moderator a direction is an angle: each boundary angle and those between are tried."""
    x = np.array([[1.0, m] for m, _ in rows])
    signs = np.array([s for _, s in rows], dtype=np.int8)
    if np.linalg.matrix_rank(x) < 2:
        return
    edges = [np.arctan2(-1, m) for m, _ in rows]
    angles = sorted({round(a % np.pi, 12) for a in edges})
    between = [(a + b) / 2 for a, b in zip(angles, [*angles[1:], angles[0] + np.pi], strict=True)]
    found = False
    for angle in (*angles, *between):
        for turn in (0, np.pi):
            # a boundary angle is the direction at which a row's predictor is 0
            b = np.array([np.cos(angle + turn), np.sin(angle + turn)])
            for direction in (b, np.array([-b[1], b[0]])):
                eta = x @ direction
                eta[np.abs(eta) < 1e-9] = 0
                gain = signs * eta
                found |= bool((eta[signs == 0] == 0).all() and (gain >= 0).all() and (gain > 0).any())
    assert (separating(x, signs) is not None) == found


def test_a_level_of_a_moderator_without_events_is_named():
    with pytest.raises(
        ConvergenceError, match=r"no finite estimate of late: the counts of study C, D"
    ) as caught:
        km.glmm("PLO", xi=[3, 4, 0, 0], ni=[9, 9, 8, 9], mods={"late": [0, 0, 1, 1]}, labels=list("ABCD"))
    assert "leave out that moderator" in str(caught.value)


def test_no_study_against_the_pooled_effect_is_named():
    tables = {"ai": [0, 0], "n1i": [9, 9], "ci": [4, 3], "n2i": [9, 9]}
    with pytest.raises(InputError, match="no events in the first group"):
        km.glmm("OR", **tables)
    # one group without events, the other with events in everyone: no margin is empty, and yet nothing resists
    tables = {"ai": [0, 5], "n1i": [9, 9], "ci": [4, 9], "n2i": [9, 9]}
    for model in ("UM.FS", "CM.EL"):
        with pytest.raises(ConvergenceError, match="no finite estimate of mu: the counts of study 1, 2"):
            km.glmm("OR", **tables, model=model)


def test_proportions_of_none_and_all_have_no_variance():
    with pytest.raises(ConvergenceError, match=r"does not fall.*every study"):
        km.glmm("PLO", xi=[0, 12, 0, 8], ni=[9, 12, 7, 8])
    assert km.glmm("PLO", xi=[0, 12, 0, 8], ni=[9, 12, 7, 8], method="EE").tau2 == 0


@pytest.mark.parametrize(
    ("x", "n"),
    [
        ([45, 4, 5], [45, 59, 5]),
        ([1, 49], [11, 49]),
        ([6, 54, 0], [57, 54, 17]),
        ([14, 56, 0, 0], [22, 56, 20, 50]),
    ],
)
def test_one_study_inside_its_range_is_enough_for_a_maximum(x, n):
    """The slopes vanish by a plain sum over 200,001 points: few quadrature points went round in circles here."""
    fit = km.glmm("PLO", xi=x, ni=n)
    z = np.linspace(-12, 12, 200_001)
    slopes = np.zeros(2)
    for a, b in zip(x, n, strict=True):
        eta = fit.mu + fit.tau * z
        log = a * eta - b * np.logaddexp(0, eta) - z * z / 2
        weight = np.exp(log - log.max())
        score = a - b / (1 + np.exp(-eta))
        slopes += np.array([weight @ score, weight @ (score * z)]) / weight.sum()
    assert np.abs(slopes).max() < 1e-5


def test_where_counts_lie():
    tables = {"ai": [0, 3, 2, 1], "bi": [5, 0, 2, 4], "ci": [1, 1, 0, 1], "di": [1, 1, 5, 1]}
    groups = group_ends("OR", {name: np.array(values, float) for name, values in tables.items()})
    assert groups.tolist() == [[-1, 0], [1, 0], [0, -1], [0, 0]]
    assert effect_ends(groups).tolist() == [-1, 1, 1, 0]
    assert effect_ends(groups, events_alone=True).tolist() == [-1, 0, 1, 0]
