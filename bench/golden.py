"""Every golden run that the product supports, against the numbers of the R packages.

A run passes when each of its expected numbers is met within the tolerance written in it. A run that asks for
something that is not built counts as unsupported. A limit defined by an equation (Q-profile, profile likelihood)
that differs is put into its equation: where ours solves it and the peer's does not (its search stopped at its own
bound or tolerance) the number counts as met and is listed under "peer".
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

import kmeta as km
from kmeta.core.errors import ReviewError
from kmeta.methods.effects.proportions import wilson
from kmeta.methods.meta.distributions import quantile, two_sided
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.meta.generalised_q import solver as inverted
from kmeta.methods.meta.likelihood import slope
from kmeta.methods.meta.random_effects import kenward_roger
from kmeta.methods.meta.sample import Sample, Weighted
from kmeta.methods.meta.scales import back_transform, inverse_freeman_tukey
from kmeta.methods.meta.tau2 import TAU2, tau2_standard_error

NAME = "golden"
PARTS = ("batch", "bias", "effects", "location_scale", "multi")
Values = dict[str, Any]


class Unsupported(Exception):
    """The run asks for something that is not built."""


def default_data() -> Path:
    """Where the shared golden cases lie beside the checkout."""
    return Path(__file__).resolve().parents[2] / "shared" / "golden"


def run(data: Path) -> dict[str, Any]:
    """Measure; print a table by family and each failure; return the counts."""
    add_parts()
    folder = data / "golden" if (data / "golden").is_dir() else data
    counts: dict[str, Counter[str]] = {}
    failures: list[str] = []
    peers: list[str] = []
    for path in sorted(folder.glob("*.json")):
        case = json.loads(path.read_text(encoding="utf-8"))
        if "runs" not in case or "inputs" not in case:
            continue
        tally = counts.setdefault(case["family"], Counter())
        for one in case["runs"]:
            verdict, told = judge(case, one)
            tally[verdict] += 1
            tally["peer inexact"] += verdict == "passed" and bool(told)
            (failures if verdict == "failed" else peers).extend(
                f"{case['id']} {one['run']}: {t}" for t in abridged(told)
            )
    report(counts, failures, peers)
    total = sum(counts.values(), Counter())
    return {
        "name": NAME,
        "passed": total["passed"],
        "failed": total["failed"],
        "unsupported": total["unsupported"],
        "figures": {
            "by_family": {family: dict(sorted(tally.items())) for family, tally in sorted(counts.items())},
            "failures": failures,
            "peer_inexact": peers,
        },
        "peers": {"R": "values made by metafor, meta: see the cases' software"},
    }


def abridged(told: list[str], most: int = 5) -> list[str]:
    """The first few of what differs in a run, and how many more there are."""
    rest = len(told) - most
    return told if rest <= 1 else [*told[:most], f"... and {rest} more numbers"]


def report(counts: dict[str, Counter[str]], failures: list[str], peers: list[str]) -> None:
    """Print the table, each failure, and the first peer notes."""
    print(f"{'family':24}{'passed':>8}{'failed':>8}{'unsupported':>13}{'peer inexact':>14}")
    for family, tally in sorted(counts.items()):
        row = (tally["passed"], tally["failed"], tally["unsupported"], tally["peer inexact"])
        print(f"{family:24}{row[0]:>8}{row[1]:>8}{row[2]:>13}{row[3]:>14}")
    for text in failures:
        print("FAILED", text)
    for text in peers[:10]:
        print("peer", text)
    if len(peers) > 10:
        print(f"peer ... and {len(peers) - 10} more")


def judge(case: Values, one: Values) -> tuple[str, list[str]]:
    """("passed" | "failed" | "unsupported", what differed)."""
    if one.get("error"):
        return "unsupported", []
    family = FAMILIES.get(case["family"])
    if family is None:
        return "unsupported", []
    try:
        found = family(case["inputs"], one)
    except Unsupported:
        return "unsupported", []
    except ReviewError as error:
        return "failed", [f"{type(error).__name__}: {error}"]
    if found is None:
        return "unsupported", []
    wanted = dict(flat(one["expected"]))
    solves = found.pop("_solves", {})
    missing = [key for key in wanted if key not in found]
    if missing:
        return "unsupported", []
    failed, peer = compare(wanted, found, solves, one)
    if failed and "_at_peer_tau2" in found:
        again, _ = compare(wanted, found["_at_peer_tau2"](), solves, one)
        if not again:
            text = found.get("_peer_text") or (
                f"tau2 {found['tau2']!r} against {wanted['tau2']!r}, all else follows from it"
            )
            failed, peer = [], [text]
    return ("failed", failed) if failed else ("passed", peer)


def compare(wanted: Values, found: Values, solves: Values, one: Values) -> tuple[list[str], list[str]]:
    """(what differs, what differs because the peer's number does not solve its own equation)."""
    failed, peer = [], []
    for key, expected in wanted.items():
        if not same(found[key], expected, one["rtol"], one["atol"]):
            text = f"{key} {found[key]!r} against {expected!r}"
            inexact = key in solves and solves[key](found[key]) and not solves[key](number(expected))
            (peer if inexact else failed).append(text)
    return failed, peer


def flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, scalar) for every leaf."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from flat(part, f"{key}.{name}" if key else name)
    elif isinstance(value, list):
        for i, part in enumerate(value):
            yield from flat(part, f"{key}.{i}")
    else:
        yield key, value


def number(value: Any) -> float:
    """A golden scalar as a float."""
    words = {"NA": math.nan, "NaN": math.nan, "Inf": math.inf, "-Inf": -math.inf}
    return words[value] if value in words else float(value)


def same(found: Any, expected: Any, rtol: float, atol: float) -> bool:
    """Whether a value meets the expected one within the run's tolerance."""
    if isinstance(expected, str) and expected not in ("NA", "NaN", "Inf", "-Inf"):
        return str(found) == expected
    a, b = float(found), number(expected)
    if math.isnan(b) or math.isinf(b):
        return (math.isnan(a) and math.isnan(b)) or a == b
    if 0 < b < 1e-12 and 0 < a < 1e-6:  # tail areas: on the log scale, as the golden README says
        return abs(math.log(a) - math.log(b)) <= 1e-7 * abs(math.log(b)) + rtol
    return abs(a - b) <= atol + rtol * abs(b)


# --- random-effects models ------------------------------------------------------------------------------------


def numbers(values: list[Any]) -> np.ndarray[Any, Any]:
    """A golden vector as floats."""
    return np.array([number(value) for value in values], dtype=float)


def fit_values(fit: MetaFit, names: tuple[str, ...] = ("intrcpt",)) -> Values:
    """A fit under the keys of the golden runs."""
    rows = fit.rows()
    vcov = np.array([[fit.se**2]]) if fit.vcov is None else fit.vcov
    infinite = math.isinf(fit.df)
    one = fit.predict() if fit.beta is None else None
    if fit.beta is None:
        statistic, p = fit.statistic, fit.p_value
        qm = statistic**2
        qm_df = (1.0, math.nan if infinite else fit.df)
    else:
        p, qm, qm_df = fit.qm_p, fit.qm, fit.qm_df
    nested: Values = {
        "coef_names": list(names),
        "beta": [row["estimate"] for row in rows],
        "se": [row["se"] for row in rows],
        "stat": [row["estimate"] / row["se"] for row in rows],
        "pval": [row["p_value"] for row in rows],
        "ci_lb": [row["ci_low"] for row in rows],
        "ci_ub": [row["ci_high"] for row in rows],
        "vcov": vcov.tolist(),
        "k": fit.k,
        "p": len(rows),
        "test": {"hksj": "adhoc"}.get(fit.test, fit.test),
        "ddf": [math.nan if infinite else fit.df],
        "tau2": fit.tau2 if fit.model != "multilevel" else 0.0,
        "se.tau2": fit.tau2_se,
        "I2": 100 * fit.i2,
        "H2": fit.h2,
        "R2": 100 * fit.r2,
        "vt": fit.vt,
        "QE": fit.q,
        "QEp": fit.q_p,
        "QE_df": fit.q_df,
        "QM": qm,
        "QMp": p,
        "QMdf": list(qm_df),
        "sigma2": list(fit.sigma2),
    }
    stats = fit.fit_stats()
    order = ["ll", "dev", "AIC", "BIC", "AICc"]
    nested["fit_stats"] = {
        "names": order,
        **{kind: [stats[kind][key] for key in order] for kind in ("ML", "REML")},
    }
    if one is not None:
        keys = {
            "pred": "mu",
            "se": "se",
            "ci_lb": "ci_low",
            "ci_ub": "ci_high",
            "pi_lb": "pi_low",
            "pi_ub": "pi_high",
        }
        nested["predict"] = {key: float(getattr(one, name)[0]) for key, name in keys.items()}
        riley = fit.predict(pi="riley")
        nested["predict_riley_t_k_minus_2"] = {
            "pi_lb": float(riley.pi_low[0]),
            "pi_ub": float(riley.pi_high[0]),
        }
    return dict(flat(nested))


def add_q_profile(found: Values, fit: MetaFit) -> Values:
    """The four intervals of heterogeneity, with the equation that each limit of tau2 solves."""
    low, high = fit.tau2_low, fit.tau2_high
    fill_het(found, "confint_het.", fit, low, high)
    solves = q_profile_solver(fit)
    for j, change in enumerate(het_inverse(fit)):
        for key, upper in ((f"confint_het.ci_lb.{j}", False), (f"confint_het.ci_ub.{j}", True)):
            found.setdefault("_solves", {})[key] = solver(solves, change, upper)
    return add_estimate_solvers(found, fit, "confint_het.")


def add_generalised_q(found: Values, fit: MetaFit) -> Values:
    """The four intervals of heterogeneity by the generalised Q, with the equation of each limit."""
    low, high = fit.generalised_q_interval()
    fill_het(found, "confint_het.", fit, low, high)
    solves = generalised_q_solver(fit, 1 / fit.vi)
    known = found.setdefault("_solves", {})
    for j, change in enumerate(het_inverse(fit)):
        for key, upper in ((f"confint_het.ci_lb.{j}", False), (f"confint_het.ci_ub.{j}", True)):
            known[key] = solver(solves, change, upper)
    if fit.method == "GENQM":
        share = inverted(fit, 1 / fit.vi)

        def median(tau2: float) -> bool:
            at = share(tau2)
            return abs(at - 0.5) <= 1e-9 or (tau2 == 0 and at <= 0.5)

        known["tau2"] = median
        for j, change in enumerate(het_inverse(fit)):
            known[f"confint_het.estimate.{j}"] = solver(lambda tau2, _: median(tau2), change, False)
    return found


def generalised_q_solver(fit: MetaFit, weights: Any) -> Callable[[float, bool], bool]:
    """Whether a tau2 is the lower or upper limit by the generalised Q, to nine digits of its probability."""
    share, alpha = inverted(fit, weights), (1 - fit.level) / 2

    def solves(tau2: float, upper: bool) -> bool:
        at, target = share(max(0.0, tau2)), alpha if upper else 1 - alpha
        return abs(at - target) <= 1e-9 or (tau2 == 0 and at <= target)

    return solves


def solver(solves: Callable[[float, bool], bool], change: Callable[[float], float], upper: bool) -> Any:
    """Whether the tau2 behind a printed value solves the equation of a limit."""
    return lambda value: solves(change(value), upper)


def fill_het(found: Values, prefix: str, fit: MetaFit, low: float, high: float) -> None:
    """The table of tau2, tau, I2 and H2 with limits, under the peer's keys."""

    def four(tau2: float) -> list[float]:
        return [tau2, math.sqrt(tau2), 100 * tau2 / (tau2 + fit.vt), tau2 / fit.vt + 1]

    rows = {
        "rows": ["tau^2", "tau", "I^2(%)", "H^2"],
        "estimate": four(fit.tau2),
        "ci_lb": four(low),
        "ci_ub": four(high),
    }
    found.update({prefix + key: value for key, value in flat(rows)})


def het_inverse(fit: MetaFit) -> tuple[Callable[[float], float], ...]:
    """From each row of that table back to tau2."""
    return (
        lambda t: t,
        lambda t: t * t,
        lambda i2: fit.vt * (i2 / 100) / (1 - i2 / 100) if i2 < 100 else math.inf,
        lambda h2: fit.vt * (h2 - 1),
    )


def q_profile_solver(fit: MetaFit) -> Callable[[float, bool], bool]:
    """Whether a tau2 is the lower or upper Q-profile limit, to nine digits of Q."""
    from scipy.special import chdtri

    sample = Sample(fit.yi, fit.vi, fit.x)
    alpha = (1 - fit.level) / 2

    def solves(tau2: float, upper: bool) -> bool:
        target = float(chdtri(fit.q_df, 1 - alpha if upper else alpha))
        q = Weighted(sample, 1 / (sample.v + tau2 / sample.unit**2)).q
        return abs(q - target) <= 1e-9 * target or (tau2 == 0 and q <= target)

    return solves


def estimate_solver(fit: MetaFit) -> Callable[[float], bool]:
    """Whether a tau2 is the estimate by the equation of its method: a zero slope (REML, ML) or Q = k - p."""
    sample = Sample(fit.yi, fit.vi, fit.x)

    def solves(tau2: float) -> bool:
        at = tau2 / sample.unit**2
        if fit.method in ("REML", "ML"):
            here = slope(sample, at, restricted=fit.method == "REML")
            return abs(here.first) <= 1e-9 * here.size or (tau2 == 0 and here.first <= 0)
        q = Weighted(sample, 1 / (sample.v + at)).q
        return abs(q - fit.q_df) <= 1e-9 * fit.q_df or (tau2 == 0 and q <= fit.q_df)

    return solves


def rma_uni(inputs: Values, one: Values) -> Values:
    """One run of metafor's rma()."""
    y, v = numbers(inputs["yi"]), numbers(inputs["vi"])
    name = one["run"]
    options: Values = {"measure": "GEN"}
    if name in ("ML_profile_ci", "REML_profile_ci"):
        fit = km.random_effects(y, v, tau2=name.split("_")[0], test="z", measure="GEN")
        found: Values = {}
        fill_het(found, "", fit, *fit.variance_intervals()[0])
        add_estimate_solvers(found, fit, "")
        return found
    if name == "REML_level90":
        fit = km.random_effects(y, v, test="z", level=0.9, **options)
        return add_estimate_solvers(fit_values(fit), fit, "")
    if name == "REML_tau2_fixed":
        return fit_values(km.random_effects(y, v, tau2=0.1, test="z", **options))
    if name == "unweighted":
        return fit_values(km.random_effects(y, v, tau2="DL", test="z", weights=np.ones(len(y)), **options))
    if name == "FE_user_weights":
        return fit_values(km.common_effect(y, v, weights=np.ones(len(y)), **options))
    method, _, test = name.partition("_")
    if method == "EE":
        return fit_values(km.common_effect(y, v, test=test, **options))
    if method not in TAU2:
        raise Unsupported
    weights = 1 / v if method in ("GENQ", "GENQM") else None
    fit = km.random_effects(y, v, tau2=method, test=test, weights=weights, **options)
    found = fit_values(fit)
    return add_generalised_q(found, fit) if weights is not None else add_q_profile(found, fit)


def add_estimate_solvers(found: Values, fit: MetaFit, prefix: str) -> Values:
    """The equation behind tau2, for I2, H2 and the four rows of an interval table."""
    if fit.method not in ("EB", "PM", "DLIT", "SJIT", "REML", "ML"):
        return found
    solves = estimate_solver(fit)
    known = found.setdefault("_solves", {})
    for j, change in enumerate(het_inverse(fit)):
        known[f"{prefix}estimate.{j}"] = solver(lambda tau2, _: solves(tau2), change, False)
    known["I2"], known["H2"] = known[f"{prefix}estimate.2"], known[f"{prefix}estimate.3"]
    return found


def meta_regression(inputs: Values, one: Values) -> Values:
    """One run of rma() with a design matrix."""
    if "X" not in inputs or not re.fullmatch(r"(FE|DL|REML|ML|PM|EB|SJ|HE|HS)_(z|knha|t)", one["run"]):
        raise Unsupported
    y, v = numbers(inputs["yi"]), numbers(inputs["vi"])
    x = np.array([[number(cell) for cell in row] for row in inputs["X"]])
    method, test = one["run"].split("_")
    if not (x[:, 0] == 1).all():
        raise Unsupported
    if method == "FE":
        fit = km.common_effect(y, v, measure="GEN", mods=x[:, 1:], test=test)
    else:
        fit = km.random_effects(y, v, measure="GEN", mods=x[:, 1:], tau2=method, test=test)
    found = fit_values(fit, tuple(one["expected"]["coef_names"]))
    if method in ("DL", "REML"):
        add_q_profile(found, fit)
    add_estimate_solvers(found, fit, "")
    rows = fit.predict()
    found.update(flat({"fitted": rows.mu.tolist()}))
    keys = {
        "pred": "mu",
        "se": "se",
        "ci_lb": "ci_low",
        "ci_ub": "ci_high",
        "pi_lb": "pi_low",
        "pi_ub": "pi_high",
    }
    found.update(flat({"predict": {key: getattr(rows, name).tolist() for key, name in keys.items()}}))
    return found


# --- proportions ----------------------------------------------------------------------------------------------


def single_proportion(inputs: Values, one: Values) -> Values:
    """One run of escalc(), rma() or metaprop() on single proportions."""
    x, n = numbers(inputs["xi"]), numbers(inputs["ni"])
    parts = one["run"].split("_")
    if parts[0] == "escalc":
        yi, vi = km.effect_sizes(parts[1], xi=x, ni=n)
        return dict(flat({"yi": yi.tolist(), "vi": vi.tolist()}))
    if parts[0] == "rma":
        yi, vi = km.effect_sizes(parts[1], xi=x, ni=n)
        if parts[2] == "EE":
            fit = km.common_effect(yi, vi, measure=parts[1])
            found = fit_values(fit)
        else:
            fit = km.random_effects(yi, vi, measure=parts[1], tau2=parts[2], test="z")
            found = add_q_profile(fit_values(fit), fit)
        back = back_transform(parts[1])
        if parts[1] == "PFT":
            harmonic = len(n) / float(np.sum(1 / n))

            def back(value: Any) -> Any:
                return inverse_freeman_tukey(value, harmonic)

        row = fit.predict()
        keys = {"pred": "mu", "ci_lb": "ci_low", "ci_ub": "ci_high", "pi_lb": "pi_low", "pi_ub": "pi_high"}
        for key, name in keys.items():
            found[f"back.{key}"] = float(back(getattr(row, name))[0])
        return found
    if one["run"] == "metaprop_studyci_WS":
        limits = [wilson(float(p), float(size)) for p, size in zip(x / n, n, strict=True)]
        # the peer prints logits; a probability of 1 is +infinity or, in its rounding, 36.7: compared as probabilities
        for key in ("lower", "upper"):
            one["expected"][key] = back_transform("PLO")(numbers(one["expected"][key])).tolist()
        return dict(flat({"lower": [low for low, _ in limits], "upper": [high for _, high in limits]}))
    raise Unsupported


# --- multilevel -----------------------------------------------------------------------------------------------


def multilevel(inputs: Values, one: Values) -> Values:
    """One run of rma.mv() with nested random effects."""
    y, v = numbers(inputs["yi"]), numbers(inputs["vi"])
    name = one["run"]
    options: Values = {"groups": inputs["outer"], "measure": "GEN"}
    plain = {
        "nested_REML_z": {"test": "z"},
        "nested_REML_t": {"test": "t", "df": "residual"},
        "nested_ML_z": {"test": "z", "method": "ML"},
        "nested_ML_t": {"test": "t", "df": "residual", "method": "ML"},
        "nested_ddf_contain": {"test": "t"},
        "outer_only": {"test": "z", "structure": "study"},
        "cs_parametrisation": {"test": "z"},
        "confint_sigma2": {"test": "z"},
    }
    if name not in plain:
        raise Unsupported
    fit = km.multilevel(y, v, **options, **plain[name])
    if name == "confint_sigma2":
        rows = []
        for value, (low, high) in zip(fit.sigma2, fit.variance_intervals(), strict=True):
            pair = {"estimate": value, "ci_lb": low, "ci_ub": high}
            rows.append({key: [part, math.sqrt(part)] for key, part in pair.items()})
        return dict(flat(rows))
    found = fit_values(fit)
    if name == "cs_parametrisation":
        found |= {"tau2.0": fit.tau2, "sigma2.0": 0.0, "rho.0": fit.sigma2[0] / fit.tau2}
    return found


# --- the meta package's generic pooling -----------------------------------------------------------------------


def metagen(inputs: Values, one: Values) -> Values:
    """One run of metagen() of the meta package."""
    y, v = numbers(inputs["yi"]), numbers(inputs["sei"]) ** 2
    name = one["run"]
    tests = {"ci_HK_": "knha", "ci_HK_se": "hksj", "ci_HK_ci": "wider", "ci_KR_": "kr"}
    intervals = {
        "HTS": ("z", "riley"),
        "HK": ("knha", "t"),
        "HK-PR": ("knha", "riley"),
        "V": ("z", "t"),
        "S": ("z", "z"),
        "KR": ("kr", "t"),
        "KR-PR": ("kr", "riley"),
    }
    kind, _, option = name.partition("_")
    method, test, predict = "REML", "z", ("z", "t")
    if kind == "tau" and option in TAU2:
        method = option
    elif name in tests:
        test = tests[name]
    elif kind == "predict" and option in intervals:
        test, predict = "kr" if option.startswith("KR") else "knha", intervals[option]
    elif name == "ci_HK_IQWiG6":
        test = iqwig(y, v)
    elif name not in ("tauci_QP", "tauci_PL", "tauci_J", "tauci_BJ"):  # PL: this version of meta prints QP's
        raise Unsupported
    weights = {"tau_DL": v**-0.5, "tauci_J": v**-0.5, "tauci_BJ": 1 / v}.get(name)
    exact = pooled(y, v, method, test)
    found = metagen_values(exact, pooled(y, v, method, predict[0]), predict[1])
    limits: Values = {}
    if weights is not None:
        limits["lower_tau2"], limits["upper_tau2"] = exact.generalised_q_interval(weights)
        equation = generalised_q_solver(exact, weights)
        for key, upper in (("lower_tau2", False), ("upper_tau2", True)):
            found["_solves"][key] = solver(equation, lambda value: value, upper)
    found |= limits
    if method in ("REML", "ML", "PM", "EB"):
        solves = estimate_solver(exact)
        found["_solves"]["tau"] = lambda value: solves(value**2)
        theirs = number(one["expected"]["tau2"])
        if solves(exact.tau2) and not solves(theirs):
            at = (pooled(y, v, method, kind, theirs) for kind in (test, predict[0]))
            found["_at_peer_tau2"] = lambda: metagen_values(*at, predict[1]) | limits
    return found


def iqwig(y: Any, v: Any) -> str:
    """The ad hoc correction only where the interval would be narrower than that of the classic DL model."""
    ours, classic = pooled(y, v, "REML", "knha"), pooled(y, v, "DL", "z")
    return "hksj" if ours.ci_high - ours.ci_low < classic.ci_high - classic.ci_low else "knha"


def pooled(y: Any, v: Any, method: str, test: str, at: float | None = None) -> MetaFit:
    """The fit by `method`, or as though it had found the tau2 `at`."""
    if at is not None and test == "kr":
        fit = kenward_roger_at(pooled(y, v, method, "z", at))
    else:
        fit = km.random_effects(y, v, measure="GEN", tau2=method if at is None else at, test=test)
    if at is None:
        return fit
    return dataclasses.replace(fit, method=method, tau2_se=tau2_standard_error(method, at, fit.yi, fit.vi))


def kenward_roger_at(fit: MetaFit) -> MetaFit:
    """A fit with a given tau2 as though it were REML's, with Kenward and Roger's interval."""
    variance, df = kenward_roger(fit.vi, fit.tau2)
    se = math.sqrt(variance)
    half = quantile(fit.level, df) * se
    return dataclasses.replace(
        fit,
        test="kr",
        se=se,
        df=df,
        ci_low=fit.mu - half,
        ci_high=fit.mu + half,
        statistic=fit.mu / se,
        p_value=two_sided(fit.mu / se, df),
    )


def metagen_values(fit: MetaFit, other: MetaFit, pi: str) -> Values:
    """Under the peer's keys; `other` is the fit whose standard error the prediction interval takes."""
    common = fit.common
    row = other.predict(pi=pi)
    left = {"z": math.inf, "t": fit.k - 1, "riley": max(1, fit.k - 2)}[pi]
    if other.test == "kr":
        left = other.df - (pi == "riley")
        left = left if left > 0 else math.nan  # too few for a t distribution
    solves = q_profile_solver(fit)
    low, high = common.i2_ci
    h_low, h_high = common.h2_ci
    nested: Values = {
        "TE_common": common.mu,
        "seTE_common": common.se,
        "lower_common": common.ci_low,
        "upper_common": common.ci_high,
        "pval_common": common.p_value,
        "TE_random": fit.mu,
        "seTE_random": fit.se,
        "lower_random": fit.ci_low,
        "upper_random": fit.ci_high,
        "statistic_random": fit.statistic,
        "pval_random": fit.p_value,
        "df_random": [fit.df],
        "seTE_predict": [math.nan if math.isnan(left) else math.sqrt(other.se**2 + other.tau2)],
        "df_predict": [left],
        "lower_predict": [float(row.pi_low[0])],
        "upper_predict": [float(row.pi_high[0])],
        "tau2": fit.tau2,
        "se_tau2": fit.tau2_se,
        "lower_tau2": fit.tau2_low,
        "upper_tau2": fit.tau2_high,
        "tau": fit.tau,
        "Q": fit.q,
        "df_Q": fit.q_df,
        "pval_Q": fit.q_p,
        "I2": common.i2,
        "lower_I2": low,
        "upper_I2": high,
        "H": math.sqrt(max(1.0, common.h2)),
        "lower_H": math.sqrt(h_low),
        "upper_H": math.sqrt(h_high),
        "Rb": fit.rb,
    }
    found = dict(flat(nested))
    found["_solves"] = {
        "lower_tau2": lambda value: solves(value, False),
        "upper_tau2": lambda value: solves(value, True),
    }
    return found


Handler = Callable[[Values, Values], Values | None]


def from_part(run_case: Callable[[str, str, Values, Values], Values | None]) -> Handler:
    """A handler of the parts' kind, (run name, call, inputs, expected) -> values, nested as the expected ones."""

    def handle(inputs: Values, one: Values) -> Values | None:
        found = run_case(one["run"], one["call"], inputs, one["expected"])
        if found is None:
            return None
        solves = {key: found[key] for key in ("_solves", "_at_peer_tau2") if key in found}
        return dict(flat({key: value for key, value in found.items() if key not in solves})) | solves

    return handle


FAMILIES: dict[str, Handler] = {
    "rma_uni": rma_uni,
    "meta_regression": meta_regression,
    "single_proportion": single_proportion,
    "multilevel": multilevel,
    "metagen": metagen,
}


@functools.cache
def add_parts() -> None:
    """Each module of PARTS brings families in its own table FAMILIES.

    Where a family has a handler already, the part's is asked for what that one does not support.
    """
    for part in PARTS:
        for family, run_case in import_module(f"bench._golden_{part}").FAMILIES.items():
            FAMILIES[family] = one_after_another(FAMILIES.get(family), from_part(run_case))


def one_after_another(first: Handler | None, second: Handler) -> Handler:
    """The first handler's values where it supports a run, else the second's."""
    if first is None:
        return second

    def handle(inputs: Values, one: Values) -> Values | None:
        try:
            found = first(inputs, one)
        except Unsupported:
            found = None
        if found is None or any(key not in found for key, _ in flat(one["expected"])):
            return second(inputs, one)
        return found

    return handle
