"""Every public result gives R code, and the code gives its numbers where R with metafor is installed."""

import importlib
import pkgutil
import shutil
import subprocess

import numpy as np
import pytest

import kmeta as km
import kmeta.methods.effects
import kmeta.methods.meta
from kmeta.core.errors import InputError
from kmeta.core.result import Result
from kmeta.methods.meta import tau_priors
from kmeta.methods.meta.of_fit import OfFit

Y = [-0.889, -1.585, -1.348, -1.442, -0.218, -0.786, -1.621, 0.012]
V = [0.326, 0.195, 0.415, 0.020, 0.051, 0.007, 0.223, 0.004]
X = [44, 55, 42, 52, 13, 44, 19, 33]
N = [262, 609, 451, 26465, 10877, 2992, 3174, 176782]
LABELS = ["Aronson", "Ferguson & Simes", 'Rosen "1"', "Hart", "Frimodt", "Stein", "Vandiviere", "TPT"]


def fit(**options):
    return km.random_effects(Y, V, measure="RR", labels=LABELS, **options)


def regression(**options):
    return fit(mods={"ablat": X}, **options)


def scaled():
    return fit(scale={"n": np.log(N)}, test="z")


def nested():
    return km.multilevel(Y, V, groups=[1, 1, 2, 2, 3, 3, 4, 4], measure="RR", test="z")


TABLES = {
    "ai": [4, 6, 3, 62],
    "n1i": [123, 306, 231, 13598],
    "ci": [11, 29, 11, 248],
    "n2i": [139, 303, 220, 12867],
}


# name -> (result, the numbers wanted of it, R that takes the same from `value`, relative tolerance)
def samples():
    loo, cum = fit(test="knha").leave_one_out(), fit(test="z").cumulative()
    step = fit(tau2="DL2", test="z")
    loo_step, cum_step = step.leave_one_out(), step.cumulative(order=X)
    influence, influence_step = fit(test="knha").influence(), step.influence()
    new = regression(test="knha").predict({"ablat": [20, 40]}, pi="riley")
    combined = regression().contrast([[1, 30], [0, 1]])
    full = regression(tau2="ML", test="z")
    subset = km.subgroups(Y, V, list("aabbaabb"), measure="RR", test="z", common_tau2=True)
    bayes = km.bayes_random_effects(Y, V, measure="RR", prior_tau=tau_priors.turner())
    at = km.survival_at([0.7, 0.8, 0.6, 0.4, 0.5], [50, 30, 80, 60, 70], time=60, test="z")
    doi, curve, pet = km.doi_plot(Y, V), km.p_curve(Y, V), km.pet_peese(Y, V)
    funnel, limit, hc = km.funnel_contours(fit()), km.limit_meta(fit(tau2="DL")), km.henmi_copas(fit())
    points, cells = fit(test="z").profile([0.1, 0.5, 1.0]), km.effect_sizes("RR", **TABLES)
    errors = km.impute_covariance(V, cluster=[1, 1, 2, 2, 3, 3, 4, 4], rho=0.5)
    exact = fit(tau2="DL", test="z").permutation_test(exact=True)
    located, weighted = scaled(), fit(weights=np.arange(1, 9), test="knha")
    there = [
        ("leave one out", loo, loo.mu, "value$estimate", 1e-6),
        ("leave one out by steps", loo_step, loo_step.tau2, "value[, 'tau2']", 1e-9),
        (
            "leave one out, nested",
            nested().leave_one_out(),
            nested().leave_one_out().se,
            "value[, 'se']",
            1e-4,
        ),
        ("cumulative", cum, cum.se, "value[, 'se']", 1e-6),
        ("cumulative by steps", cum_step, cum_step.mu, "value[, 'mu']", 1e-9),
        ("influence", influence, influence.rstudent, "value$inf$rstudent", 1e-5),
        ("influence by steps", influence_step, influence_step.cook_d, "value$cook.d", 1e-9),
        ("baujat", fit().baujat(), fit().baujat().y, "value$y", 1e-4),
        ("rstandard", fit().rstandard(), fit().rstandard().z, "value$z", 1e-6),
        ("radial", fit().radial(), fit().radial().y, "value$y", 1e-6),
        (
            "gosh",
            fit(tau2="DL").gosh(),
            np.sort(fit(tau2="DL").gosh().mu),
            "sort(value$res[, 'estimate'])",
            1e-9,
        ),
        ("blup", fit().blup(), fit().blup().se, "value$se", 1e-6),
        ("ranef", fit().ranef(), fit().ranef().pred, "value$pred", 1e-6),
        ("profile", points, points.ll, "value$ll", 1e-9),
        ("predict", new, np.concatenate([new.pi_low, new.pi_high]), "c(value)", 1e-6),
        ("contrast", combined, combined.qm_p, "value$QMp", 1e-6),
        (
            "compare",
            full.compare(fit(tau2="ML", test="z")),
            full.compare(fit(tau2="ML")).p_value,
            "value$pval",
            1e-6,
        ),
        ("henmi_copas", hc, [hc.mu, hc.ci_low, hc.ci_high], "c(value$beta, value$ci.lb, value$ci.ub)", 3e-4),
        ("limit_meta", limit, [limit.mu, limit.se, limit.alpha], "value[c('mu', 'se', 'alpha')]", 1e-9),
        ("contours", funnel, funnel.zones[1], "value[, 4]", 1e-9),
        ("doi_plot", doi, doi.lfk, "value", 1e-9),
        ("p_curve", curve, [curve.right_full_z, curve.flat_half_z], "c(right[[1]], flat[[2]])", 1e-8),
        ("pet_peese", pet, pet.pet[:, 1], "summary(pet)$coefficients[, 2]", 1e-9),
        ("subgroups", subset, [subset.q_between, subset.q_df, subset.q_p], "value", 1e-5),
        ("survival_at", at, [at.fits[0].mu, at.fits[0].se], "c(res$beta, res$se)", 1e-6),
        ("bayes", bayes, [bayes.mu, bayes.ci_low, bayes.pi_high], "c(mu[1:2], new[3])", 1e-6),
        ("escalc", cells, cells.vi, "value$vi", 1e-12),
        ("location-scale", located, located.alpha, "res$alpha", 1e-3),
        (
            "location-scale left out",
            located.leave_one_out(),
            located.leave_one_out().mu,
            "value[, 'mu']",
            1e-3,
        ),
        ("location-scale influence", located.influence(), located.influence().cook_d, "value$cook.d", 5e-3),
        ("location-scale baujat", located.baujat(), located.baujat().x, "value$x", 1e-3),
        ("weights left out", weighted.leave_one_out(), weighted.leave_one_out().se, "value$se", 1e-6),
        ("weights influence", weighted.influence(), weighted.influence().dffits, "value$inf$dffits", 1e-5),
        ("tau2 predicted", located.predict_tau2(), located.predict_tau2().ci_high, "value$ci.ub", 1e-2),
        ("covariance", errors, errors.dense().ravel(), "c(value)", 1e-12),
        ("permutation", exact, exact.p_value, "value$pval", 1e-9),
    ]
    return {name: entry for name, *entry in there}


def text_only():
    """Results whose numbers other tests compare with R."""
    general = km.multilevel(Y, V, data={"s": [1, 1, 2, 2, 3, 3, 4, 4]}, random="~ 1 | s", measure="RR")
    return [
        *(fit(), general, general.predicted_effects(), nested().robust([1, 1, 2, 2, 3, 3, 4, 4])),
        *(
            km.regtest(Y, V),
            km.ranktest(Y, V),
            km.fail_safe_n(Y, V),
            km.excess_significance(Y, V),
            fit().trim_fill(),
        ),
        *(
            km.selection_model(fit(tau2="ML", test="z"), alternative="less"),
            km.mantel_haenszel("OR", **TABLES),
        ),
        *(km.peto(**TABLES), km.glmm("PLO", xi=[4, 6, 3, 8], ni=[12, 30, 23, 30])),
        km.robust_variance(Y, V, cluster=[1, 1, 2, 2, 3, 3, 4, 4]),
        km.mantel_haenszel("OR", **TABLES).leave_one_out(),
        km.hazard_ratio(hr="0.48", ci_low="0.35", ci_high="0.67"),
        km.e_value(0.6, 0.4, 0.9),
        km.tipping_point(0.6, 0.4, 0.9),
    ]


# results that are no analysis, or that do not keep what R would need
WITHOUT = {
    "BatchFit": "thousands of sets, whose estimates it does not keep: random_effects() of one set has the script",
    "Category": "a column, not a result of an analysis",
    "Formula": "a column, not a result of an analysis",
}


def result_classes():
    found = {}
    for room in (kmeta.methods.meta, kmeta.methods.effects):
        for module in pkgutil.iter_modules(room.__path__, room.__name__ + "."):
            for value in vars(importlib.import_module(module.name)).values():
                if isinstance(value, type) and issubclass(value, Result) and value not in (Result, OfFit):
                    found[value.__name__] = value
    return found


@pytest.fixture(scope="module")
def compared():
    return samples()


def test_every_result_has_r_code(compared):
    seen = {}
    for result in [entry[0] for entry in compared.values()] + text_only():
        seen.setdefault(type(result).__name__, result.r_script())
    # classes of other rooms may be seen too: survival at a time is pooled by these models
    assert set(result_classes()) - set(WITHOUT) <= set(seen)
    for name, script in seen.items():
        assert script.endswith("\n"), name
        assert not any(word in script for word in ("nan", "array(", "np.", "None")), name
        assert "c(" in script or " <- " in script, name  # it holds its numbers


def test_a_label_cannot_leave_its_string(compared):
    script = compared["leave one out by steps"][0].r_script()
    assert '"Rosen \\"1\\""' in script


def test_a_model_that_metafor_lacks_is_refused_in_words():
    with pytest.raises(InputError, match="no test named 'kr'"):
        fit(test="kr").blup().r_script()


RUN = """
options(warn = -1, digits = 17)
for (name in commandArgs(TRUE)) {
  env <- new.env(parent = globalenv())
  found <- tryCatch({
    env$value <- source(paste0(name, ".R"), local = env, echo = FALSE)$value
    eval(parse(file = paste0(name, ".get")), env)
  }, error = function(e) { writeLines(conditionMessage(e), stderr()); NA })
  cat("\\n@@", name, format(as.numeric(unlist(found)), digits = 17, scientific = TRUE), "\\n")
}
"""


def has_metafor():
    tried = ["Rscript", "-e", "stopifnot(packageVersion('metafor') >= '3.8')"]
    return shutil.which("Rscript") is not None and subprocess.run(tried, capture_output=True).returncode == 0


def test_r_gives_the_same_numbers(compared, tmp_path):
    if not has_metafor():
        pytest.skip("Rscript with metafor 3.8 or later is not installed")
    places = {f"s{i}": name for i, name in enumerate(compared)}
    for place, name in places.items():
        result, _, take, _ = compared[name]
        (tmp_path / f"{place}.R").write_text(result.r_script(), encoding="utf-8")
        (tmp_path / f"{place}.get").write_text(take, encoding="utf-8")
    (tmp_path / "run.R").write_text(RUN, encoding="utf-8")
    command = ["Rscript", "run.R", *places]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    lines = [line.split() for line in ran.stdout.splitlines() if line.startswith("@@")]
    assert [line[1] for line in lines] == list(places)
    for _, place, *cells in lines:
        _, wanted, _, tolerance = compared[places[place]]
        got = np.array([float("nan") if cell == "NA" else float(cell) for cell in cells])
        np.testing.assert_allclose(got, np.ravel(wanted), rtol=tolerance, atol=1e-12, err_msg=places[place])
