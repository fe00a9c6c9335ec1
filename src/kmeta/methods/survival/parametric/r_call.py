"""The flexsurv call of a fitted parametric model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.core.errors import InputError

if TYPE_CHECKING:
    from kmeta.methods.survival.parametric.result import ParametricSurvival
from kmeta.methods.survival.parametric.proportional_hazards import PiecewiseExponential
from kmeta.methods.survival.parametric.splines import Spline

PER_LINE = 12


def r_vector(values: Floats) -> str:
    """c(...) with every digit."""
    words = [repr(value) if value != int(value) else str(int(value)) for value in np.asarray(values).tolist()]
    lines = [", ".join(words[i : i + PER_LINE]) for i in range(0, len(words), PER_LINE)]
    return "c(" + ",\n  ".join(lines) + ")"


def r_data(fit: ParametricSurvival) -> list[str]:
    """Lines that make the data frame `d`, and its response."""
    sample = fit.sample
    columns = {"time": sample.time, "event": sample.event}
    if sample.truncated:
        columns["entry"] = sample.entry
    if not (sample.weights == 1).all():
        columns["w"] = sample.weights
    columns.update({f"x{j + 1}": fit.x[:, j] for j in range(len(fit.names))})
    named = [f"# x{j + 1}: {' '.join(name.split())}" for j, name in enumerate(fit.names)]
    body = ",\n".join(f"  {name} = {r_vector(values)}" for name, values in columns.items())
    return [*named, f"d <- data.frame(\n{body})"]


def r_formula(fit: ParametricSurvival) -> str:
    """Surv(...) ~ x1 + x2."""
    response = "Surv(entry, time, event)" if fit.sample.truncated else "Surv(time, event)"
    return f"{response} ~ {' + '.join(f'x{j + 1}' for j in range(len(fit.names))) or '1'}"


def r_call(fit: ParametricSurvival) -> str:
    """The script; InputError for a distribution that flexsurv has not."""
    model, formula = fit.model, r_formula(fit)
    weights = "" if (fit.sample.weights == 1).all() else ", weights = w"
    if isinstance(model, PiecewiseExponential):
        cuts = r_vector(np.exp(model.log_cuts))
        if fit.sample.truncated or weights:
            raise InputError("no R call for weights or entry with this distribution", where="r_script")
        right = formula.split("~")[1].strip().removeprefix("1").strip()
        call = (
            f's <- survSplit(Surv(time, event) ~ ., data = d, cut = {cuts}, episode = "piece")\n'
            f"fit <- glm(event ~ 0 + factor(piece){' + ' + right if right else ''} + offset(log(time - tstart)),\n"
            "  family = poisson, data = s)  # exp() of the first coefficients are the rates\nprint(summary(fit))"
        )
        return "\n".join(["library(survival)", *r_data(fit), call])
    if isinstance(model, Spline):
        inner, ends = model.knots[1:-1], model.knots[[0, -1]]
        knots = f"knots = {r_vector(inner)}, " if len(inner) else "k = 0, "
        call = (
            f"fit <- flexsurvspline({formula}, data = d, {knots}bknots = {r_vector(ends)},\n"
            f'  scale = "{model.scale}"{weights})'
        )
    elif model.r_name:
        call = f'fit <- flexsurvreg({formula}, data = d, dist = "{model.r_name}"{weights})'
    else:
        raise InputError(f"flexsurv has no {fit.distribution}", where="r_script")
    return "\n".join(["library(flexsurv)", *r_data(fit), call, "print(fit)", "print(AIC(fit))"])


def r_cure_call(fit: ParametricSurvival, link: str) -> str:
    """The flexsurvcure script of a mixture cure model."""
    from kmeta.methods.survival.parametric.mixture import MixtureCure

    model = fit.model
    if not isinstance(model, MixtureCure) or not model.base.r_name or isinstance(model.base, Spline):
        raise InputError(f"flexsurvcure has no {fit.distribution}", where="r_script")
    if link == "cloglog":
        raise InputError("flexsurvcure has no link cloglog for the cured share", where="r_script")
    weights = "" if (fit.sample.weights == 1).all() else ", weights = w"
    word = "logistic" if link == "logit" else link
    call = (
        f'fit <- flexsurvcure({r_formula(fit)}, data = d, dist = "{model.base.r_name}", link = "{word}",\n'
        f"  mixture = TRUE{weights})"
    )
    return "\n".join(["library(flexsurvcure)", *r_data(fit), call, "print(fit)", "print(AIC(fit))"])
