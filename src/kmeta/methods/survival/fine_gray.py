"""Fine and Gray's regression: proportional hazards of the subdistribution of one cause."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import ConvergenceError, InputError
from kmeta.core.result import Result
from kmeta.methods.survival.causes import CausesSample, causes_sample
from kmeta.methods.survival.cumulative_incidence import incidence_data
from kmeta.methods.survival.curve import checked_times
from kmeta.methods.survival.kaplan_meier import checked_level
from kmeta.methods.survival.product_limit import product_limit
from kmeta.methods.survival.sample import SurvivalSample, column
from kmeta.methods.survival.subdistribution import Subdistribution

MOST_STEPS, MOST_HALVINGS = 50, 30
EXTREME = 1e150  # squares of larger numbers leave the range of doubles
LARGEST_LOG = 709.0
FADED = (
    1e-8  # share of the information at 0 that is left in some direction: the likelihood has no maximum there
)


@dataclass(frozen=True, kw_only=True, eq=False)
class FineGray(Result):
    """Log subdistribution hazard ratios `coef` (p,) with their robust `variance` (p, p) and standard errors `se` (NaN
    where too few events leave the scores no spread).

    `loglik`, `loglik_null`: log pseudo-likelihood at `coef` and at 0. `time` (m,): the distinct times of the cause;
    `baseline` (m,): cumulative subdistribution hazard at `centre`, the covariates' means.
    `n_competing`: events of other causes.
    """

    terms: tuple[str, ...]
    coef: Floats
    se: Floats
    z: Floats
    p: Floats
    ci_low: Floats
    ci_high: Floats
    variance: Floats
    level: float
    cause: str
    n: int
    n_events: int
    n_competing: int
    n_censored: int
    loglik: float
    loglik_null: float
    time: Floats
    baseline: Floats
    centre: Floats
    data: CausesSample
    x: Floats

    @property
    def shr(self) -> Floats:
        """Subdistribution hazard ratios."""
        return frozen([_exp(value) for value in self.coef.tolist()])

    def rows(self) -> list[dict[str, Any]]:
        """One row a term: log ratio, se, ratio with its interval, p."""
        rows = []
        for j, term in enumerate(self.terms):
            row = {"term": term, "coef": float(self.coef[j]), "se": float(self.se[j])}
            row |= {"shr": _exp(self.coef[j])}
            row |= {"ci_low": _exp(self.ci_low[j]), "ci_high": _exp(self.ci_high[j])}
            rows.append(row | {"z": float(self.z[j]), "p": float(self.p[j])})
        return rows

    def summary(self) -> str:
        """Counts, the terms, the pseudo-likelihood."""
        counts = f"cause {self.cause}: {self.n_events} events, {self.n_competing} competing, {self.n_censored} censored"
        gain = f"log pseudo-likelihood {self.loglik:.6g}, without covariates {self.loglik_null:.6g}"
        return "\n".join([f"Fine-Gray, n {self.n}, {counts}", super().summary(), gain, *self.warnings])

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader should know of the fit."""
        unknown = [term for term, se in zip(self.terms, self.se.tolist(), strict=True) if math.isnan(se)]
        few = "too few events to tell the standard error of " + ", ".join(unknown)
        return (few,) if unknown else ()

    def predict(
        self, covariates: Mapping[str, float] | Sequence[float], times: ArrayLike
    ) -> list[dict[str, float]]:
        """Cumulative incidence of the cause at `times` for one patient's covariates; NaN after the last follow-up."""
        values = list(covariates.values()) if isinstance(covariates, Mapping) else list(covariates)
        if isinstance(covariates, Mapping):
            if set(covariates) != set(self.terms):
                raise InputError(
                    f"names {', '.join(map(str, covariates))}", where="covariates", hint=", ".join(self.terms)
                )
            values = [covariates[term] for term in self.terms]
        x = column(values, "covariates", "a finite number a term", lambda a: np.abs(a) < EXTREME)
        if len(x) != len(self.terms):
            raise InputError(f"{len(x)} values", where="covariates", hint=", ".join(self.terms))
        ratio, end = _exp(float((x - self.centre) @ self.coef)), float(self.data.time.max())
        rows = []
        for t in checked_times(times).tolist():
            i = int(np.searchsorted(self.time, t, side="right")) - 1
            reached = float(self.baseline[i]) if i >= 0 else 0.0
            share = -math.expm1(-reached * ratio) if reached else 0.0
            rows.append({"time": t, "incidence": share if t <= end else math.nan})
        return rows

    def r_script(self) -> str:
        """R code that repeats the fit with the package cmprsk, the patients inline."""
        from kmeta.methods.survival.r_code import data_frame, literal

        names = [f"x{j + 1}" for j in range(len(self.terms))]
        lines = incidence_data([self.data])
        lines += [
            line.replace("dat <-", "X <-") for line in data_frame(dict(zip(names, self.x.T, strict=True)))
        ]
        lines.append(f"colnames(X) <- c({', '.join(map(literal, self.terms))})")
        code = self.data.number(self.cause)
        lines.append(
            f"fit <- crr(dat$time, dat$cause, as.matrix(X), failcode = {code}, cencode = 0, gtol = 1e-12)"
        )
        lines.append(f"summary(fit, conf.int = {self.level!r})")
        return "\n".join(lines + [f"# kmeta: {row}" for row in self.rows()]) + "\n"


def _exp(value: float) -> float:
    """exp, infinite where it leaves the range of doubles; NaN stays NaN."""
    return math.inf if value >= LARGEST_LOG else math.exp(value)


def fine_gray(
    time: ArrayLike,
    event: ArrayLike | Sequence[object],
    covariates: Mapping[str, ArrayLike] | ArrayLike,
    *,
    cause: object,
    censored: object = None,
    level: float = 0.95,
) -> FineGray:
    """Regression of the cumulative incidence of one cause, where other causes compete.

    event : 0 censored, 1.. the causes; or a label each. covariates : columns of numbers, by name or shape (n, p).
    cause : the one modelled. censored : the label that means censored where it is not 0 or "censored".
    Patients with another cause stay at risk with the weight G(t) / G(their time), G the Kaplan-Meier estimate of
    staying uncensored; ties as Breslow; the standard errors are robust and know that G is estimated.
    Raises InputError for data that cannot be, no event of the cause, or columns that do not vary or repeat each
    other; ConvergenceError where a coefficient runs off to infinity.
    Source: Fine & Gray 1999, doi:10.1080/01621459.1999.10474144.

    >>> fit = fine_gray([1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 1, 0, 1, 2, 2, 1], {"x": [0, 1, 1, 0, 0, 1, 0, 1]}, cause=1)
    >>> round(float(fit.coef[0]), 3), round(float(fit.se[0]), 3)
    (-0.41, 0.9)
    """
    data = causes_sample(time, event, censored)
    checked_level(level)
    code = data.number(cause)
    if not (data.code == code).any():
        raise InputError(f"nobody had {str(cause)!r}", where="cause", hint=", ".join(data.causes))
    terms, x = covariate_columns(covariates, len(data.code))
    centre, scale = x.mean(axis=0), _scale(x, terms)
    model = Subdistribution.of(data, code, (x - centre) / scale, _free_of_censoring(data))
    beta, loglik = _fit(model, terms)
    times, steps = model.baseline_steps(beta)
    return _result(
        data,
        code,
        terms,
        x,
        coef=beta / scale,
        variance=model.robust_variance(beta) / np.outer(scale, scale),
        loglik=loglik,
        baseline=(times, np.cumsum(steps)),
        centre=centre,
        level=level,
    )


def covariate_columns(
    covariates: Mapping[str, ArrayLike] | ArrayLike, n: int
) -> tuple[tuple[str, ...], Floats]:
    """(names, columns of shape (n, p)); columns without names are called x, or x1, x2, ..."""
    if not isinstance(covariates, Mapping):
        try:
            table = np.array(covariates, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(
                "hold something that is not a number", where="covariates", hint="numbers"
            ) from error
        table = table[:, None] if table.ndim == 1 else table
        if table.ndim != 2:
            raise InputError(f"have shape {table.shape}", where="covariates", hint=f"({n},) or ({n}, p)")
        names = ["x"] if table.shape[1] == 1 else [f"x{j + 1}" for j in range(table.shape[1])]
        covariates = dict(zip(names, table.T, strict=True))
    if not covariates:
        raise InputError("there is none", where="covariates", hint="one column at least")
    good = "a finite number a patient"
    columns = [column(v, str(k), good, lambda a: np.abs(a) < EXTREME, n=n) for k, v in covariates.items()]
    return tuple(map(str, covariates)), frozen(np.column_stack(columns))


def _scale(x: Floats, terms: tuple[str, ...]) -> Floats:
    scale: Floats = x.std(axis=0)
    for term, spread, size in zip(terms, scale, np.abs(x).max(axis=0), strict=True):
        if spread <= 1e-12 * size or spread == 0:
            raise InputError(f"{term} does not vary", where="covariates", hint="leave it out")
    return scale


def _free_of_censoring(data: CausesSample) -> Floats:
    """Kaplan-Meier estimate of being uncensored just before each patient's own time."""
    turned = SurvivalSample(
        time=data.time,
        event=frozen(data.code == 0),
        entry=data.sample.entry,
        weights=data.sample.weights,
    )
    fit = product_limit(turned, robust=False)
    found: Floats = np.append(1.0, fit.survival[:-1])[fit.sets.row]
    return found


def _fit(model: Subdistribution, terms: tuple[str, ...]) -> tuple[Floats, tuple[float, float]]:
    """(coefficients of the standardised columns, (log-likelihood at 0, at them)): Newton with step halving."""
    beta = np.zeros(len(terms))
    null, score, information = model.derivatives(beta)
    first = information
    if np.linalg.matrix_rank(information, hermitian=True) < len(terms):
        raise InputError(
            "the columns repeat each other where the cause happens", where="covariates", hint="leave one out"
        )
    loglik = null
    for _ in range(MOST_STEPS):
        step = np.linalg.lstsq(information, score, rcond=None)[0]
        if float(step @ score) <= 1e-20 * max(abs(loglik), 1):
            return beta, (null, loglik)
        for _ in range(MOST_HALVINGS):
            better = model.derivatives(beta + step)
            if better[0] >= loglik - 1e-12 * abs(loglik):
                break
            step = step / 2
        beta = beta + step
        loglik, score, information = better
        if np.linalg.eigvals(np.linalg.solve(first, information)).real.min() < FADED:
            break
    worst = terms[int(np.abs(beta).argmax())]
    raise ConvergenceError(
        f"the coefficient of {worst} runs off to infinity",
        last=beta,
        where="covariates",
        hint=f"a group or end of {worst} without the event has no finite ratio: use gray_test",
    )


def _result(
    data: CausesSample,
    code: int,
    terms: tuple[str, ...],
    x: Floats,
    *,
    coef: Floats,
    variance: Floats,
    loglik: tuple[float, float],
    baseline: tuple[Floats, Floats],
    centre: Floats,
    level: float,
) -> FineGray:
    from scipy.special import ndtr, ndtri

    se = np.sqrt(np.diag(variance))
    z = coef / se
    reach = float(ndtri((1 + level) / 2)) * se
    return FineGray(
        terms=terms,
        coef=frozen(coef),
        se=frozen(se),
        z=frozen(z),
        p=frozen(2 * ndtr(-np.abs(z))),
        ci_low=frozen(coef - reach),
        ci_high=frozen(coef + reach),
        variance=frozen(variance),
        level=level,
        cause=data.causes[code - 1],
        n=len(data.code),
        n_events=int((data.code == code).sum()),
        n_competing=int(((data.code != code) & (data.code != 0)).sum()),
        n_censored=int((data.code == 0).sum()),
        loglik=loglik[1],
        loglik_null=loglik[0],
        time=frozen(baseline[0]),
        baseline=frozen(baseline[1]),
        centre=frozen(centre),
        data=data,
        x=x,
    )
