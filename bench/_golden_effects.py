"""Golden runs of effect sizes, Mantel-Haenszel, Peto, models of counts and the meta package's poolings of data."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import kmeta as km
from bench.golden import add_q_profile, fit_values, flat, number, numbers, q_profile_solver
from kmeta.methods.effects.proportion_intervals import proportion_intervals
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.meta.glmm import GlmmFit
from kmeta.methods.meta.mantel_haenszel import TableFit
from kmeta.methods.meta.scales import back_transform

Values = dict[str, Any]


def columns(inputs: Values) -> Values:
    """Numeric inputs as arrays."""
    return {name: numbers(values) for name, values in inputs.items() if name != "group"}


def sizes(found: Any) -> Values:
    """yi and vi under the peer's keys."""
    return dict(flat({"yi": found.yi.tolist(), "vi": found.vi.tolist()}))


def usable(found: Any) -> tuple[Any, Any]:
    """The studies with a finite value."""
    keep = np.isfinite(found.yi) & np.isfinite(found.vi)
    return found.yi[keep], found.vi[keep]


def inverse_variance(found: Any, measure: str, method: str) -> Values:
    """rma() on effect sizes."""
    y, v = usable(found)
    if method == "EE":
        return fit_values(km.common_effect(y, v, measure=measure))
    fit = km.random_effects(y, v, measure=measure, tau2=method, test="z")
    return add_q_profile(fit_values(fit), fit)


def tables_values(fit: TableFit) -> Values:
    """rma.mh() and rma.peto() under the peer's keys."""
    return {
        "beta": fit.mu,
        "se": fit.se,
        "zval": fit.statistic,
        "pval": fit.p_value,
        "ci_lb": fit.ci_low,
        "ci_ub": fit.ci_high,
        "QE": fit.q,
        "QEp": fit.q_p,
        "I2": 100 * fit.i2,
        "H2": fit.h2,
        "MH": fit.cmh,
        "MHp": fit.cmh_p,
        "TA": fit.tarone,
        "TAp": fit.tarone_p,
        "BD": fit.breslow_day,
        "BDp": fit.breslow_day_p,
        "k": fit.k_tables,
        "k_yi": fit.k,
    }


def glmm_values(fit: GlmmFit) -> Values:
    """rma.glmm() under the peer's keys; its log-likelihood `ll` is its own kind, see `peer_height`."""
    row = fit.predict()
    back = {"pred": "mu", "ci_lb": "ci_low", "ci_ub": "ci_high", "pi_lb": "pi_low", "pi_ub": "pi_high"}
    found = {
        "beta": fit.mu,
        "se": fit.se,
        "zval": fit.statistic,
        "stat": fit.statistic,
        "pval": fit.p_value,
        "ci_lb": fit.ci_low,
        "ci_ub": fit.ci_high,
        "tau2": fit.tau2,
        "sigma2": fit.level_variance,
        "rho": math.nan,
        "I2": 100 * fit.i2,
        "H2": fit.h2,
        "QE_Wld": fit.q,
        "QEp_Wld": fit.q_p,
        "QE_LRT": fit.lrt,
        "QEp_LRT": fit.lrt_p,
        "QE_df": fit.q_df,
        "ll": peer_height(fit),
        "k": fit.k,
    }
    return found | {f"back.{key}": fit.on_scale(float(getattr(row, name)[0])) for key, name in back.items()}


def peer_height(fit: GlmmFit) -> float:
    """The height metafor prints as log-likelihood: of the counts at each study's most likely effect.

    It is the saturated log-likelihood less half lme4's conditional deviance (of UM.RS and of the conditional model of
    odds ratios it prints the marginal one, as we do).
    """
    from kmeta.methods.meta.count_models import count_model
    from kmeta.methods.meta.mixed_counts import Point, maximise, modes, predictors

    if fit.glmm_model in ("UM.RS", "CM.EL") and not (fit.glmm_model == "CM.EL" and fit.measure == "IRR"):
        return fit.log_likelihood
    data = count_model(fit.measure, fit.options["model"], fit.options["coding"], fit.counts)
    design = data.design(np.ones((fit.k, 1)), heterogeneity=True)
    own = data.start_level if data.own_level else None
    best = maximise(design, Point(np.array([fit.mu, fit.tau]), own), fit.options["points"])
    fixed, slope = predictors(design, best.at)
    z, _ = modes(design, fixed, slope)
    return float(
        design.counts.curve(fixed[..., None] + np.einsum("kjr,kr->kj", slope, z)[..., None])[0].sum()
    )


def binary_2x2(inputs: Values, one: Values) -> Values | None:
    """One run on 2x2 tables."""
    data, name = columns(inputs), one["run"]
    parts = name.split("_")
    if parts[0] == "escalc":
        options: Values = {}
        if "to" in parts:
            options = {"to": parts[3], "add": float(parts[4].removeprefix("add"))}
        if "drop00" in parts:
            options = {"drop00": True}
        return sizes(km.effect_sizes(parts[1], **data, **options))
    if name.startswith("rma_mh"):
        return tables_values(km.mantel_haenszel(parts[2], **data, correct="nocorrect" not in parts))
    if name == "rma_peto":
        return tables_values(km.peto(**data))
    if parts[0] == "rma":
        return inverse_variance(km.effect_sizes(parts[1], **data), parts[1], parts[2])
    if parts[0] == "glmm":
        model = parts[2]
        if name.endswith("_EE"):
            return glm_values(km.glmm("OR", **data, model=model, method="EE"))
        points = {"UM.FS": 7, "UM.RS": 1, "CM.AL": 7}.get(model)
        fit = km.glmm("OR", **data, model=model, points=points)
        return conditional(fit, one) if model == "CM.EL" else from_peers_point(fit, one)
    if parts[0] == "metabin":
        return metabin(data, parts)
    return None


def metabin(data: Values, parts: list[str]) -> Values | None:
    """One run of metabin()."""
    measure = "PETO" if parts[1] == "Peto" else parts[1]
    if measure == "SSW":
        return sample_size_weights(data)
    own = meta_sizes(measure, data)
    keep = np.isfinite(own.yi)
    y, v = own.yi[keep], own.vi[keep]
    inverse = km.random_effects(
        y, v, measure=measure, tau2="DL" if measure == "PETO" else "REML", test="z", pi="t"
    )
    common: MetaFit = km.common_effect(y, v, measure=measure)
    if measure == "PETO":
        common = km.peto(**data)
    found = meta_values(own, common, inverse)
    if measure == "OR":  # what has no value has an infinite error there
        found |= {f"seTE.{i}": math.inf for i in np.flatnonzero(~keep)}
    if parts[-1] == "MH":
        both: Values = {
            "add": (0.5, 0.5),
            "to": ("only0", "only0"),
            "drop00": (measure != "RD", measure != "RD"),
        }
        fit = km.mantel_haenszel(measure, **data, **both, variance="greenland")
        found = meta_values(own, fit, inverse) | {k: v for k, v in found.items() if k.startswith("seTE.")}
        weights = np.zeros(len(own.yi))
        none = (data["ai"] + data["ci"] == 0) | (data["ai"] + data["ci"] == data["n1i"] + data["n2i"])
        weights[~none if measure != "RD" else none | True] = fit.weights / 100 * fit.weight_total
        found |= flat({"w_common": weights.tolist()})
    return found


def sample_size_weights(data: Values) -> Values:
    """metabin(method="SSW"): fixed weights by the groups' sizes.

    Where a study has no estimate the peer leaves it out of the estimate and yet gives the pooled value an infinite
    error: ours is that of the studies pooled.
    """
    own = meta_sizes("OR", data)
    keep = np.isfinite(own.yi)
    y, v = own.yi[keep], own.vi[keep]
    sizes = data["n1i"] * data["n2i"] / (data["n1i"] + data["n2i"])
    common = km.common_effect(y, v, measure="OR", weights=sizes[keep])
    fit = km.random_effects(y, v, measure="OR", weights=sizes[keep], tau2="DL", test="z")
    found = meta_values(own, common, fit)
    row = km.random_effects(y, v, measure="OR", tau2="DL", test="z", pi="t")
    found |= {"lower_predict": row.pi_low, "upper_predict": row.pi_high}
    found |= {f"seTE.{i}": math.inf for i in np.flatnonzero(~keep)}
    for key in ("w_common", "w_random"):
        found |= flat({key: sizes.tolist()})
    if not keep.all():
        kinds = [
            f"{part}_{kind}" for part in ("seTE", "lower", "upper", "pval") for kind in ("common", "random")
        ]
        found["_solves"] = {key: math.isfinite for key in kinds if not key.startswith("pval")}
        found["_solves"] |= {key: (lambda value: value < 1) for key in kinds if key.startswith("pval")}
    return found


def meta_sizes(measure: str, data: Values) -> Any:
    """The effect sizes of the meta package: no value for studies without events, none corrected for RD and PETO."""
    options: Values = {"add": 0.0, "to": "none"} if measure == "PETO" else {"rule": "meta"}
    return km.effect_sizes(measure, **data, drop00=measure != "RD", **options)


def meta_values(own: Any, common: MetaFit, fit: MetaFit) -> Values:
    """A pooling of the meta package under its keys."""
    q = fit.common
    nested = {
        "TE": own.yi.tolist(),
        "seTE": np.sqrt(own.vi).tolist(),
        "TE_common": common.mu,
        "seTE_common": common.se,
        "lower_common": common.ci_low,
        "upper_common": common.ci_high,
        "pval_common": common.p_value,
        "TE_random": fit.mu,
        "seTE_random": fit.se,
        "lower_random": fit.ci_low,
        "upper_random": fit.ci_high,
        "pval_random": fit.p_value,
        "lower_predict": fit.pi_low,
        "upper_predict": fit.pi_high,
        "tau2": fit.tau2,
        "Q": q.q,
        "pval_Q": q.q_p,
        "I2": q.i2,
        "H": math.sqrt(max(1.0, q.h2)),
        "w_common": np.where(np.isfinite(own.vi), 1 / own.vi, 0.0).tolist(),
        "w_random": np.where(np.isfinite(own.vi), 1 / (own.vi + fit.tau2), 0.0).tolist(),
        "Q.0": q.q,
        "I2.0": q.i2,
    }
    return dict(flat(nested))


def from_peers_point(fit: GlmmFit, one: Values) -> Values:
    """Ours; where the peer's optimiser stopped short of its own maximum, all that follows from it is told apart."""
    found = glmm_values(fit)
    found["_solves"] = by_other_slopes(fit, found) if fit.glmm_model == "UM.RS" else {}
    if peer_stopped_short(fit, one["expected"]):
        of_maximum = [key for key in found if not key.startswith(("_", "QE")) and key != "k"]
        found["_solves"] |= {key: (lambda value, ours=found[key]: value == ours) for key in of_maximum}
    return found


def glm_values(fit: GlmmFit) -> Values:
    """A logistic model without random effects; R's glm() stops at 1e-8 of the deviance, short of the maximum."""
    found = glmm_values(fit)

    def information(beta: float) -> tuple[float, float]:
        if fit.measure == "PLO":
            x, n, offset = fit.counts["xi"], fit.counts["ni"], 0.0
        else:
            a, b, c, d = (fit.counts[name] for name in ("ai", "bi", "ci", "di"))
            x, n, offset = a, a + c, np.log((a + b) / (c + d))
        p = 1 / (1 + np.exp(-beta - offset))
        return float((x - n * p).sum()), float((n * p * (1 - p)).sum())

    slope, info = information(fit.mu)
    at_root = abs(slope) <= 1e-9 * info
    for key in ("beta", "se", "ci_lb", "ci_ub"):
        found.setdefault("_solves", {})[key] = lambda value, ours=found[key]: (
            at_root and abs(fit.se**2 * info - 1) < 1e-9 and value == ours
        )
    return found


def log_ways(a: int, first: int, events: int, second: int) -> float:
    """Log number of tables with `a` events in the first group, from whole numbers."""
    return math.log(math.comb(first, a)) + math.log(math.comb(second, events - a))


def conditional(fit: GlmmFit, one: Values) -> Values:
    """The exact conditional model; Wald's test of the peer rests on numerical slopes, so each study's odds ratio and
    its information are worked out again from tables counted in whole numbers."""
    from scipy.optimize import brentq

    y, w = [], []
    for a, b, c, d in zip(*(fit.counts[name].tolist() for name in ("ai", "bi", "ci", "di")), strict=True):
        low, high = max(0, a - d), min(a + b, a + c)
        if low < a < high:
            u = np.arange(low, high + 1)
            ways = np.array([log_ways(int(here), int(a + b), int(a + c), int(c + d)) for here in u])

            def moments(theta: float, u: Any = u, ways: Any = ways) -> tuple[float, float]:
                p = np.exp(ways + theta * u - (ways + theta * u).max())
                mean = float(p @ u / p.sum())
                return mean, float(p @ (u - mean) ** 2 / p.sum())

            y.append(brentq(lambda theta, a=a, moments=moments: moments(theta)[0] - a, -12, 12, xtol=1e-13))
            w.append(moments(y[-1])[1])
    weights = np.array(w)
    middle = float(weights @ np.array(y) / weights.sum())
    q = float(weights @ (np.array(y) - middle) ** 2)
    found = glmm_values(fit)
    known = abs(found["QE_Wld"] - q) < 1e-6 * q
    keys = ("QE_Wld", "QEp_Wld")
    found["_solves"] = {key: (lambda value, ours=found[key]: known and value == ours) for key in keys}
    return found


def profile_height(fit: GlmmFit, mu: float, tau2: float) -> float:
    """The highest log-likelihood with mu and tau2 held, by the quadrature of `fit`."""
    from scipy.optimize import minimize

    from kmeta.methods.meta.count_models import count_model
    from kmeta.methods.meta.mixed_counts import Point, by_differences, log_likelihoods

    data = count_model(fit.measure, fit.options["model"], fit.options["coding"], fit.counts)
    design = data.design(np.ones((fit.k, 1)), heterogeneity=True)
    points, tau = fit.points, math.sqrt(max(0.0, tau2))
    if data.random_level:

        def depth(free: Any) -> float:
            at = Point(np.array([free[0], mu, math.exp(free[1]), tau]), None)
            return -float(log_likelihoods(design, at, points).sum())

        start = [float(data.start_level.mean()), 0.5 * math.log(fit.level_variance)]
        options = {"xatol": 1e-8, "fatol": 1e-12, "maxiter": 4000}
        return -float(minimize(depth, start, method="Nelder-Mead", options=options).fun)
    own = data.start_level if data.own_level else None
    if own is not None:
        for _ in range(60):
            _, slope, bend = by_differences(design, Point(np.array([mu, tau]), own), points)
            own = own + np.clip(-slope[:, 0] / np.minimum(bend[:, 0, 0], -1e-3), -1.0, 1.0)
    return float(log_likelihoods(design, Point(np.array([mu, tau]), own), points).sum())


def by_other_slopes(fit: GlmmFit, found: Values) -> Values:
    """The estimates agree, but not what rests on second derivatives, which lme4 takes of a likelihood that it knows to
    1e-7 only: worked out again from heights along the profile, and with steps five times as long."""
    from kmeta.methods.meta.count_models import count_model
    from kmeta.methods.meta.glmm import _residual
    from kmeta.methods.meta.mixed_counts import Point, by_differences, maximise

    h = fit.se / 5
    up, middle, down = (profile_height(fit, fit.mu + by, fit.tau2) for by in (h, 0.0, -h))
    error = h / math.sqrt(2 * middle - up - down)
    data = count_model(fit.measure, fit.options["model"], fit.options["coding"], fit.counts)
    design = data.separate_design()
    start = np.array([float(data.start_level.mean()), math.sqrt(fit.level_variance)])
    best = maximise(design, Point(start, np.full(fit.k, fit.mu)), fit.points)
    _, _, bend = by_differences(design, best.at, fit.points, h=1e-3)
    borders = (-bend[:, 0, 1:], -bend[:, 1:, 1:].sum(axis=0))
    q = _residual(best.at.own, -bend[:, 0, 0], np.ones((fit.k, 1)), borders)
    same = abs(q / fit.q - 1) < 1e-4 and (fit.tau2 > 0 or abs(error / fit.se - 1) < 1e-4)
    keys = ("se", "zval", "pval", "ci_lb", "ci_ub", "QE_Wld", "QEp_Wld")
    return {key: (lambda value, ours=found[key]: same and value == ours) for key in keys}


def peer_stopped_short(fit: GlmmFit, expected: Values) -> bool:
    """Whether the likelihood at the peer's estimates is lower than at ours by more than rounding.

    The peer's model is looked at with the same points of quadrature; what it does not tell (the studies' own levels,
    the levels' mean and variance) is given its best values.
    """
    theirs = profile_height(fit, number(expected["beta"]), number(expected["tau2"]))
    ours = profile_height(fit, fit.mu, fit.tau2)
    return ours - theirs > 1e-11


def single_proportion(inputs: Values, one: Values) -> Values | None:
    """One run on single proportions that the first handler leaves."""
    data, name = columns(inputs), one["run"]
    parts = name.split("_")
    if name == "glmm_PLO_exact_ML":
        return exact(km.glmm("PLO", **data))
    if name == "glm_PLO_EE":
        return glm_values(km.glmm("PLO", **data, method="EE"))
    if name.startswith("glmm_PLO_") and parts[2] in ("z", "t"):
        points = int(parts[3].removeprefix("nAGQ"))
        return from_peers_point(km.glmm("PLO", **data, test=parts[2], points=points), one)
    if name == "glmm_PLO_nAGQ25_reference":
        fit = km.glmm("PLO", **data, points=25)
        height = fit.log_likelihood - saturated(fit)
        return {"beta": fit.mu, "tau2": fit.tau2, "ll": height, "note_ll": one["expected"]["note_ll"]}
    if name.startswith("metaprop_subgroup"):
        return subgroups(data, inputs["group"], parts, one["expected"])
    if name.startswith("metaprop") and parts[1] in ("GLMM", "Inverse"):
        return metaprop(data, parts, one["expected"])
    if name.startswith("metaprop_studyci"):
        kind = {"NAsm": "logit"}.get(parts[2], parts[2])
        low, high = proportion_intervals(data["xi"], data["ni"], method=kind)
        # the peer prints logits of limits, infinite or, in its rounding, 36.7 at 1: compared as probabilities
        for key in ("lower", "upper"):
            one["expected"][key] = back_transform("PLO")(numbers(one["expected"][key])).tolist()
        return dict(flat({"lower": low.tolist(), "upper": high.tolist()}))
    return None


def saturated(fit: GlmmFit) -> float:
    """Log-likelihood of proportions at their own values."""
    from scipy.stats import binom

    x, n = fit.counts["xi"], fit.counts["ni"]
    return float(binom.logpmf(x, n, x / n).sum())


def exact(fit: GlmmFit) -> Values:
    """The reference with 81 points: where 81 are too few, the trapezoidal rule with 20,001 points judges both."""
    from scipy.special import gammaln

    x, n = fit.counts["xi"], fit.counts["ni"]
    coefficients = float((gammaln(n + 1) - gammaln(x + 1) - gammaln(n - x + 1)).sum())
    found = {
        "beta": fit.mu,
        "tau2": fit.tau2,
        "se": fit.se,
        "se_log_tau": fit.tau2_se / (2 * fit.tau2),
        "ll_with_binomial_coefficients": fit.log_likelihood,
        "ll_without": fit.log_likelihood - coefficients,
    }
    slopes, covariance = trapezoidal(x, n, fit.mu, math.log(fit.tau))
    found["max_abs_gradient"] = float(np.abs(slopes).max())
    at_root = bool(np.abs(slopes).max() < 1e-7)
    errors = np.sqrt(np.diag(covariance))
    same = abs(fit.se / errors[0] - 1) < 1e-7 and abs(found["se_log_tau"] / errors[1] - 1) < 1e-7
    found["_solves"] = {
        key: (lambda value, ours=value: at_root and same and value == ours) for key, value in found.items()
    }
    return found


def trapezoidal(x: Any, n: Any, mu: float, log_tau: float) -> tuple[Any, Any]:
    """Slopes of the log-likelihood of proportions by (mu, log tau), and the inverse information, by plain summation."""
    z = np.linspace(-14, 14, 20_001)
    tau = math.exp(log_tau)
    slopes, bend = np.zeros(2), np.zeros((2, 2))
    for events, size in zip(x, n, strict=True):
        eta = mu + tau * z
        height = events * eta - size * np.logaddexp(0, eta) - z * z / 2
        weight = np.exp(height - height.max())
        weight /= weight.sum()
        p = 1 / (1 + np.exp(-eta))
        score, curve = events - size * p, -size * p * (1 - p)
        d = np.vstack([np.ones_like(z), tau * z])
        s = score * d
        mean = s @ weight
        second = (d * (curve * weight)) @ d.T + (s * weight) @ s.T - np.outer(mean, mean)
        second[1, 1] += mean[1]  # the second derivative of eta by log tau
        slopes, bend = slopes + mean, bend + second
    return slopes, np.linalg.inv(-bend)


def metaprop(data: Values, parts: list[str], expected: Values) -> Values | None:
    """One run of metaprop() without subgroups."""
    measure = {"PLOGIT": "PLO", "PRAW": "PR"}.get(parts[2], parts[2]) if parts[1] == "Inverse" else "PLO"
    own = km.effect_sizes(measure, **data, rule="meta")
    simple = km.random_effects(own.yi, own.vi, measure=measure, test="z", pi="t")
    low, high = proportion_intervals(data["xi"], data["ni"])
    rows: dict[str, MetaFit] = {"common": simple.common, "random": simple, "predict": simple}
    tests: Values = {"Q": [simple.q], "df_Q": [simple.q_df], "pval_Q": [simple.q_p]}
    q = simple.common
    limits = (simple.tau2_low, simple.tau2_high)
    if parts[1] == "GLMM":
        fit = km.glmm("PLO", **data, points=7, pi="t", test="t" if parts[-1] == "HK" else "z")
        rows = {
            "common": km.glmm("PLO", **data, method="EE"),
            "random": fit,
            "predict": km.glmm("PLO", **data, points=7, pi="t"),
        }
        tests = {"Q": [fit.q, fit.lrt], "df_Q": [fit.q_df] * 2, "pval_Q": [fit.q_p, fit.lrt_p]}
        limits = (math.nan, math.nan)
        q = with_q(simple.common, fit.q)
    elif parts[-1] == "HK":
        rows["random"] = km.random_effects(own.yi, own.vi, measure=measure, test="knha")
    i2_low, i2_high = q.i2_ci
    nested = {
        "TE": own.yi.tolist(),
        "seTE": np.sqrt(own.vi).tolist(),
        "study_lower": on_scale(measure, low, data["ni"]).tolist(),
        "study_upper": on_scale(measure, high, data["ni"]).tolist(),
        "lower_predict": rows["predict"].pi_low,
        "upper_predict": rows["predict"].pi_high,
        "tau2": rows["random"].tau2,
        "lower_tau2": limits[0],
        "upper_tau2": limits[1],
        "I2": [q.i2],
        "lower_I2": [i2_low],
        "upper_I2": [i2_high],
        "H": [math.sqrt(max(1.0, q.h2))],
        **tests,
    }
    for kind in ("common", "random"):
        row = rows[kind]
        nested |= {
            f"TE_{kind}": row.mu,
            f"seTE_{kind}": row.se,
            f"lower_{kind}": row.ci_low,
            f"upper_{kind}": row.ci_high,
        }
    solves = q_profile_solver(simple)
    found = dict(flat(nested))
    peer = {"beta": expected["TE_random"], "tau2": expected["tau2"]}
    if parts[1] == "GLMM" and peer_stopped_short(fit, peer):
        limits_of = ("seTE_random", "lower_random", "upper_random", "lower_predict", "upper_predict")
        found["_solves"] = {key: (lambda value, ours=found[key]: value == ours) for key in limits_of}
        return found
    found["_solves"] = {
        "lower_tau2": lambda value: solves(value, False),
        "upper_tau2": lambda value: solves(value, True),
    }
    return found


def subgroups(data: Values, group: list[str], parts: list[str], expected: Values) -> Values:
    """metaprop() by subgroup, in their order of appearance, with a tau2 each or one for all."""
    names = list(dict.fromkeys(group))
    rows = [np.array([one == name for one in group]) for name in names]
    own = km.effect_sizes("PLO", **data)
    within = [km.random_effects(own.yi[r], own.vi[r], measure="PLO", test="z") for r in rows]
    together, short = parts[-1] == "TRUE", False
    columns_of = {name: r.astype(float) for name, r in zip(names[1:], rows[1:], strict=True)}
    if parts[2] == "GLMM":
        fits: list[Any] = [km.glmm("PLO", xi=data["xi"][r], ni=data["ni"][r], points=7) for r in rows]
        commons = [km.glmm("PLO", xi=data["xi"][r], ni=data["ni"][r], method="EE") for r in rows]
        shares = [with_q(one.common, fit.q).i2 for one, fit in zip(within, fits, strict=True)]
        short = any(
            height(fit, [mu], fit.tau2) - height(fit, [theirs], tau2) > 1e-11 and abs(mu - theirs) < 1e-3
            for fit, mu, theirs, tau2 in zip(
                fits, [f.mu for f in fits], expected["TE_random_w"], expected["tau2_w"], strict=True
            )
        )
        if together:
            whole = km.glmm("PLO", **data, points=7, mods=columns_of)
            first, *others = expected["TE_random_w"]
            theirs = [first, *(other - first for other in others)]
            ours = height(whole, whole.beta, whole.tau2)
            short = ours - height(whole, theirs, expected["tau2_w"][0]) > 1e-11
            fits = one_model(whole, len(names))
    else:
        fits, commons = list(within), [fit.common for fit in within]
        shares = [fit.i2 for fit in commons]
        if together:
            tau2 = km.random_effects(own.yi, own.vi, measure="PLO", mods=columns_of, test="z").tau2
            fits = [km.random_effects(own.yi[r], own.vi[r], measure="PLO", tau2=tau2, test="z") for r in rows]
    pooled = [
        km.common_effect([f.mu for f in part], [f.se**2 for f in part], measure="PLO")
        for part in (fits, commons)
    ]
    nested = {
        "subgroup": names,
        "k_w": [int(r.sum()) for r in rows],
        "TE_random_w": [fit.mu for fit in fits],
        "seTE_random_w": [fit.se for fit in fits],
        "lower_random_w": [fit.ci_low for fit in fits],
        "upper_random_w": [fit.ci_high for fit in fits],
        "tau2_w": [fit.tau2 for fit in fits],
        "I2_w": shares,
        "Q_b_random": [pooled[0].q],
        "df_Q_b_random": [pooled[0].q_df],
        "pval_Q_b_random": [pooled[0].q_p],
        "Q_b_common": [pooled[1].q],
        "pval_Q_b_common": [pooled[1].q_p],
    }
    found = dict(flat(nested))
    if short:
        inexact = [key for key in found if "_w." in key or "_b_" in key]
        found["_solves"] = {key: (lambda value, ours=found[key]: value == ours) for key in inexact}
    return found


def height(fit: GlmmFit, beta: Any, tau2: float) -> float:
    """Log-likelihood of proportions at given coefficients, by the quadrature of `fit`."""
    from kmeta.methods.meta.count_models import count_model
    from kmeta.methods.meta.mixed_counts import Point, log_likelihoods

    data = count_model("PLO", "UM.FS", 0.5, fit.counts)
    design = data.design(np.ones((fit.k, 1)) if fit.x is None else fit.x, heterogeneity=True)
    return float(log_likelihoods(design, Point(np.array([*beta, math.sqrt(tau2)]), None), fit.points).sum())


def one_model(fit: GlmmFit, groups: int) -> list[Any]:
    """The subgroups of one model with a moderator for each but the first."""
    from types import SimpleNamespace

    x = np.column_stack([np.ones(groups), np.eye(groups)[:, 1:]])
    row = fit.predict(x[:, 1:])
    columns = zip(row.mu.tolist(), row.se.tolist(), row.ci_low.tolist(), row.ci_high.tolist(), strict=True)
    return [
        SimpleNamespace(mu=mu, se=se, ci_low=low, ci_high=high, tau2=fit.tau2)
        for mu, se, low, high in columns
    ]


def with_q(fit: MetaFit, q: float) -> MetaFit:
    """A common-effect model with another Q, for I2 and its interval."""
    import dataclasses

    return dataclasses.replace(fit, q=q, h2=q / fit.q_df, i2=max(0.0, (q - fit.q_df) / q) if q else 0.0)


def on_scale(measure: str, p: Any, n: Any) -> Any:
    """Probabilities on the analysis scale."""
    with np.errstate(divide="ignore"):
        if measure == "PLO":
            return np.log(p) - np.log1p(-p)
        if measure == "PLN":
            return np.log(p)
        if measure == "PAS":
            return np.arcsin(np.sqrt(p))
        if measure == "PFT":
            return (np.arcsin(np.sqrt(p * n / (n + 1))) + np.arcsin(np.sqrt((p * n + 1) / (n + 1)))) / 2
    return p


def incidence_rate(inputs: Values, one: Values) -> Values | None:
    """One run on incidence rates."""
    data, name = columns(inputs), one["run"]
    parts = name.split("_")
    single = {"xi": data["x1i"], "ti": data["t1i"]}
    if parts[0] == "escalc":
        two = parts[1] in ("IRR", "IRD", "IRSD")
        return sizes(km.effect_sizes(parts[1], **(data if two else single)))
    if name.startswith("rma_mh"):
        return tables_values(km.mantel_haenszel(parts[2], **data))
    if parts[0] == "rma":
        return inverse_variance(km.effect_sizes(parts[1], **data), parts[1], parts[2])
    if name == "glmm_IRLN":
        return from_peers_point(km.glmm("IRLN", **single, points=7), one)
    if parts[0] == "glmm":
        points = {"UM.FS": 7, "UM.RS": 1, "CM.EL": 7}[parts[2]]
        return from_peers_point(km.glmm("IRR", **data, model=parts[2], points=points), one)
    if parts[0] == "metainc":
        own = km.effect_sizes("IRR", **data)
        fit = km.random_effects(own.yi, own.vi, measure="IRR", test="z", pi="t")
        common: MetaFit = fit.common
        if parts[1] != "Inverse":
            common = km.mantel_haenszel("IRR", **data, weighting=parts[1].lower())
        return meta_values(own, common, fit)
    if name == "metarate_Inverse":
        own = km.effect_sizes("IRLN", **single)
        fit = km.random_effects(own.yi, own.vi, measure="IRLN", test="z", pi="t")
        return meta_values(own, fit.common, fit)
    if name == "metarate_GLMM":
        counts = km.glmm("IRLN", **single, points=7, pi="t")
        return meta_values(km.effect_sizes("IRLN", **single), counts.common, counts)
    return None


def continuous_two_group(inputs: Values, one: Values) -> Values | None:
    """One run on means and standard deviations."""
    data, name = columns(inputs), one["run"]
    parts = name.split("_")
    single = {"mi": data["m1i"], "sdi": data["sd1i"], "ni": data["n1i"]}
    if parts[0] == "escalc":
        if parts[1] in ("MN", "MNLN", "CVLN", "SDLN", "SMN"):
            return sizes(km.effect_sizes(parts[1], **single))
        if parts[-1] == "nocorrect":
            return sizes(km.effect_sizes(parts[1], **data, correct=False))
        return sizes(km.effect_sizes(parts[1], **data, vtype=parts[2] if len(parts) > 2 else "LS"))
    if parts[0] == "rma":
        return inverse_variance(km.effect_sizes(parts[1], **data), parts[1], parts[2])
    if parts[0] == "metacont":
        options: Values = {"ROM": {"correct": False}, "SMD": {"vtype": "UB"}}.get(parts[1], {})
        own = km.effect_sizes(parts[1], **data, **options)
        fit = km.random_effects(own.yi, own.vi, measure=parts[1], test="z", pi="t")
        return meta_values(own, fit.common, fit)
    if parts[0] == "metamean":
        measure = {"MRAW": "MN", "MLN": "MNLN"}[parts[1]]
        own = km.effect_sizes(measure, **single)
        fit = km.random_effects(own.yi, own.vi, measure=measure, test="z")
        return meta_values(own, fit.common, fit)
    return None


Case = Callable[[Values, Values], "Values | None"]


def through_statistics(found: Values, expected: Values, df: int) -> Values:
    """Tail areas of tests of heterogeneity, and others below 1e-12, as the statistics behind them: a tail magnifies the
    tolerance of what it comes from."""
    from scipy.special import chdtri, ndtri

    for key in ("pval", "QEp_Wld", "QEp_LRT"):
        if (
            key in expected
            and not isinstance(expected[key], list)
            and 0 < number(expected[key]) < (1e-12 if key == "pval" else 1)
        ):
            raw = found[key]
            back = (lambda p: -float(ndtri(p / 2))) if key == "pval" else (lambda p: float(chdtri(df, p)))
            found[key], expected[key] = back(found[key]), back(number(expected[key]))
            solves = found.get("_solves", {})
            if key in solves:  # asked of the statistic as it was of its own key
                good = solves[key](raw)
                solves[key] = lambda value, ours=found[key], good=good: good and value == ours
    return found


def part(handle: Case) -> Callable[[str, str, Values, Values], Values | None]:
    """A handler as the golden runner calls it."""

    def run_case(run_name: str, call: str, inputs: Values, expected: Values) -> Values | None:
        found = handle(inputs, {"run": run_name, "call": call, "expected": expected})
        if found is not None and "QE_df" in found:
            found = through_statistics(found, expected, int(found["QE_df"]))
        return found

    return run_case


FAMILIES = {
    "binary_2x2": part(binary_2x2),
    "single_proportion": part(single_proportion),
    "incidence_rate": part(incidence_rate),
    "continuous_two_group": part(continuous_two_group),
}
