"""Cox models: bad input, likelihoods without a maximum, and what the results say."""

import itertools
import json
import math
import shutil
import subprocess

import numpy as np
import pytest

from kmeta import cox, cox_bootstrap, cox_mixed, one_stage
from kmeta.core.errors import ConvergenceError, InputError
from kmeta.methods.survival.cox_data import cox_data
from kmeta.methods.survival.cox_exact import exact_derivatives

N = 60
RANDOM = np.random.default_rng(3)
X = RANDOM.normal(size=(N, 2))
TIME = np.ceil(RANDOM.exponential(8 * np.exp(-0.5 * X[:, 0]), N))
EVENT = (RANDOM.random(N) < 0.8).astype(float)
ARM = np.array(["old", "new"])[np.arange(N) % 2]
STUDY = np.repeat(["p", "q", "r"], 20)


def changed(values, row, value):
    out = np.array(values, dtype=object)
    out[row] = value
    return out.tolist()


BAD = {
    "negative time": ({"time": changed(TIME, 3, -1)}, r"time\[3\] is -1"),
    "time not finite": ({"time": changed(TIME, 2, math.nan)}, r"time\[2\] is nan"),
    "text in time": ({"time": changed(TIME, 1, "six")}, "row 1 is 'six'"),
    "event is 2": ({"event": changed(EVENT, 5, 2)}, r"event\[5\] is 2"),
    "no event": ({"event": np.zeros(N)}, "nobody had the event"),
    "too few events given": ({"event": EVENT[:-1]}, "59 values, 60 times"),
    "nobody": ({"time": [], "event": [], "covariates": []}, "is empty"),
    "entry after time": ({"entry": TIME}, r"entry\[0\]"),
    "weight of 0": ({"weights": changed(np.ones(N), 7, 0)}, r"weights\[7\] is 0"),
    "weights with exact": ({"weights": np.full(N, 2.0), "ties": "exact"}, "takes no weights"),
    "robust with exact": ({"robust": True, "ties": "exact"}, "no robust variance"),
    "unknown ties": ({"ties": "cox"}, "no method is named 'cox'"),
    "level in percent": ({"level": 95}, "level is 95"),
    "text covariate": ({"covariates": {"grade": changed(X[:, 0], 4, "G2")}}, "row 4 is 'G2'"),
    "missing covariate": ({"covariates": {"age": changed(X[:, 0], 9, math.nan)}}, r"age\[9\] is nan"),
    "covariates of another length": ({"covariates": X[:-1]}, r"have shape \(59, 2\)"),
    "names too few": ({"covariates": X, "names": ["age"]}, "1 names"),
    "no covariate": ({"covariates": None}, "there is none"),
    "constant covariate": ({"covariates": {"age": X[:, 0], "site": np.ones(N)}}, "site does not vary"),
    "constant in strata": (
        {"covariates": {"m": (STUDY == "q") * 1.0}, "strata": STUDY},
        "m does not vary within any stratum",
    ),
    "collinear": (
        {"covariates": {"a": X[:, 0], "b": X[:, 1], "c": X[:, 0] - 2 * X[:, 1]}},
        "c follows from a, b",
    ),
    "one group": ({"covariates": None, "group": ["a"] * N}, "all are 'a'"),
    "unknown reference": ({"covariates": None, "group": ARM, "reference": "none"}, "no label is 'none'"),
    "missing label": ({"covariates": None, "group": changed(ARM, 8, None)}, r"group\[8\] is missing"),
    "strata too few": ({"strata": STUDY[:-1]}, "59 labels, 60 times"),
    "cluster missing": ({"cluster": changed(STUDY, 2, None)}, r"cluster\[2\] is missing"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named(name):
    given, words = BAD[name]
    with pytest.raises(InputError, match=words):
        cox(**{"time": TIME, "event": EVENT, "covariates": X, **given})


@pytest.mark.parametrize("ties", ["efron", "breslow", "exact"])
def test_no_event_in_an_arm(ties):
    event = np.where(ARM == "new", 0, EVENT)
    with pytest.raises(ConvergenceError, match="monotone likelihood: the estimate of new vs old") as told:
        cox(TIME, event, {"age": X[:, 1]}, group=ARM, reference="old", ties=ties)
    assert told.value.last[0] < -5
    assert abs(told.value.last[1]) < 5


def test_a_rare_marker_of_the_next_event_is_found_too():
    time, marker = np.arange(N) + 1.0, np.zeros(N)
    marker[np.flatnonzero(EVENT)[0]] = 1
    with pytest.raises(ConvergenceError, match="the estimate of marker is infinite"):
        cox(time, EVENT, {"marker": marker, "age": X[:, 1]})


def test_one_patient_says_nothing():
    with pytest.raises(InputError, match="does not vary"):
        cox([3.0], [1], [1.0])


def test_a_covariate_that_only_varies_after_the_last_event():
    with pytest.raises(InputError, match="late does not vary among those at risk"):
        cox([1, 2, 3, 4, 9, 10], [1, 1, 1, 1, 0, 0], {"late": [0, 0, 0, 0, 0, 1]}, entry=[0, 0, 0, 0, 8, 8])


def test_the_exact_likelihood_by_listing_every_draw():
    n = 12
    random = np.random.default_rng(8)
    time, event = random.integers(1, 4, n).astype(float), random.integers(0, 2, n).astype(float)
    x, beta = random.normal(size=(n, 2)), np.array([0.7, -0.4])
    data = cox_data(time, event, x, ties="exact")
    order = data.risk_sets.order
    found = exact_derivatives(data.risk_sets, x.T[:, order], (x @ beta)[order])
    loglik, score = 0.0, np.zeros(2)
    for t in np.unique(time[event > 0]):
        dead = np.flatnonzero((time == t) & (event > 0))
        sums = np.array(
            [x[list(s)].sum(axis=0) for s in itertools.combinations(np.flatnonzero(time >= t), len(dead))]
        )
        share = np.exp(sums @ beta)
        loglik += x[dead].sum(axis=0) @ beta - np.log(share.sum())
        score += x[dead].sum(axis=0) - share @ sums / share.sum()
    assert found.loglik == pytest.approx(loglik, abs=1e-10)
    assert found.score == pytest.approx(score, abs=1e-10)


def test_many_ties_stay_in_range():
    """400 of 2,000 at one time: the sum over draws is beyond the range of doubles, its logarithm is not."""
    random = np.random.default_rng(4)
    x = random.normal(size=2000)
    time = np.where(np.argsort(np.argsort(random.exponential(np.exp(-x)))) < 400, 1.0, 2.0)
    fit = cox(time, (time == 1) * 1, x, ties="exact")
    assert 0.7 < fit.beta[0] < 1.4
    assert fit.score.chi2 == pytest.approx(
        (x[time == 1].mean() - x.mean()) ** 2 * 400 / (x.var() * (1600 / 1999)), rel=1e-9
    )


def test_times_that_differ_by_rounding_alone_are_ties():
    months = np.array([1, 2, 2, 3, 3, 3, 4, 5, 6, 6], float)
    other = months * 0.1 + np.arange(10) * 1e-16
    event, x = np.ones(10), X[:10, 0]
    assert cox(other, event, x).beta == pytest.approx(cox(months, event, x).beta, abs=1e-12)


def test_the_result_says_what_a_methodologist_expects():
    fit = cox(TIME, EVENT, {"age": X[:, 0]}, group=ARM, cluster=STUDY)
    text = fit.summary()
    for words in ("n = 60", "new vs old", "age", "HR", "Concordance", "Wald", "Robust score", "few clusters"):
        assert words in text
    rows = fit.rows()
    assert [row["term"] for row in rows] == ["new vs old", "age"]
    assert rows[0]["ci_low"] == pytest.approx(math.exp(fit.beta[0] - 1.959963984540054 * fit.se[0]))
    assert fit["age"] == rows[1]
    assert fit.aic == pytest.approx(4 - 2 * fit.loglik[1])
    told = json.loads(json.dumps(fit.to_dict()))
    assert "data" not in told
    assert told["concordance"]["c"] == fit.concordance().c
    with pytest.raises(InputError, match="no term is named 'sex'"):
        fit["sex"]


def test_few_events_and_silent_strata_are_told():
    time, event = [1, 2, 3, 4, 5, 6, 7, 8], [1, 1, 1, 0, 0, 0, 0, 0]
    fit = cox(time, event, [1, 0, 0.5, 1, 0.3, 1, 0, 1], strata=list("aaaabbbb"))
    assert [text.split(":")[0] for text in fit.warnings] == ["few events", "no event in a stratum"]


def test_the_baseline_is_breslows():
    fit = cox(TIME, EVENT, {"age": X[:, 0]}, ties="breslow")
    curve = fit.baseline().curves[0]
    risk = np.exp(X[:, 0] * fit.beta[0])
    jumps = [EVENT[t == TIME].sum() / risk[t <= TIME].sum() for t in curve.time]
    assert curve.hazard == pytest.approx(np.cumsum(jumps), rel=1e-10)
    assert np.isnan(curve.at_times([TIME.max() + 1])[0]["survival"])
    assert curve.at_times([0])[0]["survival"] == 1
    at = fit.baseline({"age": [0.0, 1.0]}).curves
    assert at[1].hazard == pytest.approx(at[0].hazard * fit.hr[0], rel=1e-10)
    assert fit.baseline("mean").curves[0].at == pytest.approx([X[:, 0].mean()])
    for wrong in ({"sex": 1}, [1.0, 2.0], "median", [math.nan]):
        with pytest.raises(InputError):
            fit.baseline(wrong)


def test_periods_are_separate_models_and_their_test_has_its_df():
    fit = cox(TIME, EVENT, {"age": X[:, 0]}, group=ARM)
    periods = fit.by_period([4.0])
    early = cox(np.minimum(TIME, 4), np.where(TIME <= 4, EVENT, 0), {"age": X[:, 0]}, group=ARM)
    late = TIME > 4
    rest = cox(
        TIME[late],
        EVENT[late],
        {"age": X[late, 0]},
        group=ARM[late],
        reference="old",
        entry=np.full(late.sum(), 4.0),
    )
    sign = 1 if early.terms[0] == rest.terms[0] else -1
    assert periods.beta[0] == pytest.approx(early.beta, abs=1e-9)
    assert periods.beta[1] == pytest.approx(rest.beta * [sign, 1], abs=1e-9)
    assert periods.chi2 == pytest.approx(2 * (early.loglik[1] + rest.loglik[1] - fit.loglik[1]), abs=1e-9)
    assert periods.df == 2
    assert "Same hazard ratios" in periods.summary()
    for wrong in ([], [-1], [5, 4], [TIME.max() + 5], ["a"]):
        with pytest.raises(InputError):
            fit.by_period(wrong)


def test_a_crossing_hazard_is_found():
    random = np.random.default_rng(11)
    arm = np.arange(600) % 2
    first = random.exponential(np.where(arm, 3.0, 1.2))
    time = np.where(first < 1, first, 1 + random.exponential(np.where(arm, 0.6, 2.5)))
    fit = cox(time, np.ones(600), {"arm": arm})
    test = fit.proportional_hazards_test("identity")
    assert test.global_p < 1e-6
    assert test.slope[0] > 0
    smooth = fit.proportional_hazards_test().coefficient("arm", points=9)
    early, late = smooth.time < 0.7, (smooth.time > 1.2) & (smooth.time < 2)
    assert early.any()
    assert late.any()
    assert (smooth.beta[early] < 0).all()
    assert (smooth.beta[late] > 0).all()
    assert fit.proportional_hazards_test(np.sqrt).transform == "a function"
    for wrong in ("cubic", lambda t: t[:-1]):
        with pytest.raises(InputError):
            fit.proportional_hazards_test(wrong)


def test_one_event_time_cannot_test_proportional_hazards():
    fit = cox([2, 2, 3, 4, 5], [1, 1, 0, 0, 0], [0.1, 0.9, 0.3, 0.7, 0.2])
    with pytest.raises(InputError, match="does not vary over the events"):
        fit.proportional_hazards_test()


def test_residuals_that_are_not_there():
    with pytest.raises(InputError, match="no residuals are named"):
        cox(TIME, EVENT, X).residuals("pearson")
    with pytest.raises(InputError, match="exact likelihood has no score"):
        cox(TIME, EVENT, X, ties="exact").residuals("score")


def test_concordance_by_listing_every_pair():
    weights, entry = 1 + np.arange(N) % 3, np.where(np.arange(N) % 4 == 0, TIME - 1, 0)
    fit = cox(TIME, EVENT, X.round(0), weights=weights, entry=entry, strata=STUDY)
    score, found = fit.linear_predictor.round(9), np.zeros(3)
    for i, j in itertools.product(range(N), repeat=2):
        later = TIME[j] > TIME[i] or (TIME[j] == TIME[i] and not EVENT[j])
        if EVENT[i] and later and entry[j] < TIME[i] and STUDY[i] == STUDY[j]:
            found[1 + int(np.sign(score[j] - score[i]))] += weights[i] * weights[j]
    c = fit.concordance()
    assert [c.concordant, c.tied, c.discordant] == pytest.approx(found)


def test_the_bootstrap_is_the_same_for_the_same_seed_and_says_what_failed():
    one, two = (cox_bootstrap(TIME, EVENT, group=ARM, n_bootstrap=50, seed=9) for _ in range(2))
    assert one.replicates.tobytes() == two.replicates.tobytes()
    assert one.seed == 9
    assert cox_bootstrap(TIME, EVENT, group=ARM, n_bootstrap=50, seed=10).ci_low != one.ci_low
    marker = (np.arange(N) < 3) * 1.0
    event = np.where((marker > 0) & (np.arange(N) > 0), 0, 1.0)
    shown = cox_bootstrap(TIME, event, marker, n_bootstrap=200)
    assert shown.failed > 0
    assert "failed replicates" in shown.summary()
    whole = cox_bootstrap(TIME, EVENT, group=ARM, cluster=np.arange(N) // 2, n_bootstrap=20)
    assert whole.n_bootstrap == 20


@pytest.mark.parametrize(
    "given",
    [
        {"n_bootstrap": 1},
        {"n_bootstrap": 10**7},
        {"seed": -1},
        {"seed": "a"},
        {"ties": "exact"},
        {"weights": np.ones((3, N - 1))},
        {"weights": -np.ones((3, N))},
        {"weights": [["a"] * N] * 2},
        {"level": 0},
    ],
)
def test_bad_options_of_the_bootstrap(given):
    with pytest.raises(InputError):
        cox_bootstrap(TIME, EVENT, X, **given)


@pytest.mark.parametrize(
    "given",
    [
        {"cluster": ["a"] * N},
        {"cluster": STUDY, "strata": STUDY},
        {"cluster": STUDY, "random": "dose"},
        {"cluster": STUDY, "random": "x1", "distribution": "gamma"},
        {"cluster": STUDY, "distribution": "cauchy"},
        {"cluster": STUDY, "ties": "exact"},
        {"cluster": STUDY, "weights": np.full(N, 2.0), "distribution": "gamma"},
        {"cluster": STUDY, "level": 1},
    ],
)
def test_bad_options_of_a_mixed_model(given):
    with pytest.raises(InputError):
        cox_mixed(TIME, EVENT, X, **given)


def test_frailties_find_what_was_put_in():
    random = np.random.default_rng(2)
    clusters, each = 60, 12
    cluster = np.repeat(np.arange(clusters), each)
    frailty = random.normal(0, 0.8, clusters)[cluster]
    x = random.normal(size=clusters * each)
    time = random.exponential(np.exp(-0.5 * x - frailty))
    fit = cox_mixed(time, np.ones(len(time)), x, cluster=cluster)
    assert fit.tau2_low < 0.64 < fit.tau2_high
    assert fit.tau2_p < 1e-6
    assert np.corrcoef(fit.effects, frailty[::each])[0, 1] > 0.9
    assert abs(fit.beta[0] - 0.5) < 3 * fit.se[0]
    assert fit.beta[0] > cox(time, np.ones(len(time)), x).beta[0]  # frailty left out draws the estimate to 0
    assert "tau2" in fit.summary()
    assert len(fit.cluster_rows()) == clusters
    json.dumps(fit.to_dict())


def test_no_difference_between_clusters_is_said():
    fit = cox_mixed(TIME, EVENT, X, cluster=np.arange(N) % 6)
    if fit.tau2 == 0:
        assert any(text.startswith("no variance") for text in fit.warnings)
        assert fit.beta == pytest.approx(cox(TIME, EVENT, X).beta)
    assert fit.tau2_low == 0


def test_one_stage_models_agree_on_trials_that_agree():
    found = {
        m: one_stage(TIME, EVENT, ARM, STUDY, model=m, reference="old")
        for m in ("stratified", "random", "two-stage")
    }
    for fit in found.values():
        assert fit.contrast == "new vs old"
        assert fit.k == 3
        assert "new vs old: HR" in fit.summary()
        assert [row["study"] for row in fit.rows()] == ["p", "q", "r", "pooled"]
        json.dumps(fit.to_dict())
        assert "library(" in fit.r_script()
    assert found["random"].pi_low <= found["random"].ci_low
    turned = one_stage(TIME, EVENT, ARM, STUDY, reference="new")
    assert turned.log_hr == pytest.approx(-found["stratified"].log_hr, abs=1e-10)


def test_a_trial_without_a_hazard_ratio_of_its_own_is_named():
    event = np.where((STUDY == "r") & (ARM == "new"), 0, EVENT)
    two = one_stage(TIME, event, ARM, STUDY, model="two-stage", reference="old")
    assert [s.study for s in two.studies if s.note] == ["r"]
    assert any("r: no hazard ratio of its own (monotone" in text for text in two.warnings)
    assert one_stage(TIME, event, ARM, STUDY, reference="old").k == 3


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"study": ["a"] * N}, "all are 'a'"),
        ({"treatment": ["x", "y", "z"] * 20}, "3 treatments"),
        ({"treatment": ["x"] * N}, "1 treatments"),
        ({"model": "bayes"}, "no model is named"),
        ({"reference": "none"}, "no treatment is 'none'"),
        ({"model": "random", "ties": "exact"}, "random effect needs"),
        ({"study": STUDY[:-1]}, "59 labels"),
    ],
)
def test_bad_input_of_one_stage(given, words):
    with pytest.raises(InputError, match=words):
        one_stage(**{"time": TIME, "event": EVENT, "treatment": ARM, "study": STUDY, **given})


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed")
def test_the_r_script_repeats_the_fit(tmp_path):
    fit = cox(
        TIME,
        EVENT,
        {"age\n(y)": X[:, 0]},
        group=ARM,
        strata=STUDY,
        entry=TIME / 4,
        cluster=STUDY,
        weights=1 + X[:, 1] ** 2,
    )
    script = tmp_path / "fit.R"
    script.write_text(fit.r_script() + 'cat("\\n@", coef(fit), sqrt(diag(vcov(fit))))\n', encoding="utf-8")
    done = subprocess.run(["Rscript", str(script)], capture_output=True, text=True, check=False)
    if "there is no package" in done.stderr:
        pytest.skip("R has no survival")
    assert done.returncode == 0, done.stderr
    found = [float(word) for word in done.stdout.rpartition("@")[2].split()]
    assert found == pytest.approx([*fit.beta, *fit.se], rel=1e-5)
