"""The R code that a result gives is run, where R and the package are installed, and gives the result's numbers."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import kmeta as km

DATA = json.loads((Path(__file__).parent / "survival_individual.json").read_text("utf-8"))
LUNG, MGUS = DATA["lung"], DATA["mgus2"]
TIMES = (LUNG["time"], LUNG["event"])
CAUSES = (MGUS["time"], MGUS["cause"])


def asked(script, ask, package):
    """What R prints of `ask` after the script."""
    if shutil.which("Rscript") is None:
        pytest.skip("R is not installed")
    lead = f'if (!requireNamespace("{package}", quietly = TRUE)) quit(status = 77)\n'
    code = f'{lead}sink(nullfile())\n{script}\nsink()\ncat(format({ask}, digits = 15, trim = TRUE), sep = "\\n")\n'
    done = subprocess.run(["Rscript", "-"], input=code, capture_output=True, text=True, check=False)
    if done.returncode == 77:
        pytest.skip(f"the package {package} is not installed")
    assert done.returncode == 0, done.stderr
    return [float(line) for line in done.stdout.split()]


@pytest.mark.parametrize(
    "given",
    [{}, {"weights": LUNG["weight"], "entry": LUNG["entry"]}, {"interval": "arcsine"}],
    ids=["plain", "weighted-late", "arcsine"],
)
def test_kaplan_meier(given):
    fit = km.kaplan_meier(*TIMES, **given)
    ask = 'unlist(summary(fit, times = c(100, 300))[c("surv", "std.err", "lower")])'
    rows = fit.curves[0].at([100, 300])
    ours = [row[name] for name in ("survival", "se", "ci_low") for row in rows]
    assert asked(fit.r_script(), ask, "survival") == pytest.approx(ours, rel=1e-6)


def test_log_rank():
    fit = km.logrank(*TIMES, LUNG["ph.ecog"], strata=LUNG["sex"], weights="peto-peto")
    assert asked(fit.r_script(), "fit$chisq", "survival") == pytest.approx([fit.chi2])


def test_landmark():
    fit = km.landmark(*TIMES, at=90, group=LUNG["sex"])
    assert asked(fit.r_script(), "fit$chisq", "survival") == pytest.approx([fit.logrank.chi2])


def test_cumulative_incidence():
    fit = km.cumulative_incidence(*CAUSES, group=MGUS["male"])
    ours = [curve.at([100])[0]["incidence"] for curve in fit.curves]
    assert asked(fit.r_script(), "timepoints(fit, 100)$est", "cmprsk") == pytest.approx(ours)


def test_grays_test():
    fit = km.gray_test(*CAUSES, MGUS["third"], strata=MGUS["male"], rho=1)
    found = asked(fit.r_script().replace("cuminc(", "fit <- cuminc("), "fit[, 1]", "cmprsk")
    assert found == pytest.approx(fit.chi2.tolist())


def test_fine_gray():
    fit = km.fine_gray(*CAUSES, {"male": MGUS["male"], "age in decades": MGUS["decade"]}, cause=2)
    found = asked(fit.r_script(), "c(fit$coef, sqrt(diag(fit$var)))", "cmprsk")
    assert found == pytest.approx(np.concatenate([fit.coef, fit.se]).tolist())


def test_restricted_means():
    one = km.rmst(*TIMES, tau=500)
    found = asked(one.r_script(), 'summary(fit, rmean = 500)$table[c("rmean", "se(rmean)")]', "survival")
    assert found == pytest.approx([one.arms[0].rmst, one.arms[0].se])
    two = km.rmst(*TIMES, group=LUNG["sex"], tau=500)
    script = two.r_script().replace("rmst2(", "fit <- rmst2(")
    found = asked(script, "fit$unadjusted.result[, 1]", "survRM2")
    names = ("difference", "ratio", "rmtl-ratio")
    assert found == pytest.approx([two.contrast(name).estimate for name in names])
