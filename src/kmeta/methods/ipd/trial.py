"""Both arms of a trial: reconstructed, compared, and held against the printed hazard ratio."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.core.result import Result
from kmeta.methods.ipd.facts import Contradiction
from kmeta.methods.ipd.reconstruct import reconstruct_ipd
from kmeta.methods.ipd.result import ReconstructedIPD
from kmeta.methods.ipd.two_arms import TwoArms, compare

ADJUSTED = 0.15  # of the se: how far stratification and adjustment usually move a printed hazard ratio
FAR = 2.5  # sds at which a printed hazard ratio no longer fits
P_FAR = 0.7  # z at which a printed log-rank p no longer fits
LEAST_SD = 0.003  # of the log hazard ratio: what even points without error leave open


@dataclass(frozen=True, kw_only=True, eq=False)
class ReconstructedTrial(Result):
    """Two arms and the hazard ratio of the second against the first, on the log scale.

    `se` is Cox's; `between_sd` the sd over the ensemble, what the reconstruction leaves open; `total_se` both. The
    interval `ci_low` to `ci_high` is of the hazard ratio, with the total; `own_low` to `own_high` is where the
    hazard ratio of the trial's own data lies. `printed_log_hr` is NaN where none was given.
    """

    arms: tuple[ReconstructedIPD, ReconstructedIPD]
    log_hr: float
    se: float
    between_sd: float
    total_se: float
    level: float
    logrank_z: float
    ensemble_log_hr: Floats
    printed_log_hr: float
    printed_se: float
    unadjusted_log_hr: float
    contradictions: tuple[Contradiction, ...]

    @property
    def hr(self) -> float:
        """The hazard ratio."""
        return math.exp(self.log_hr)

    @property
    def ci(self) -> tuple[float, float]:
        """Interval of the hazard ratio, with sampling and reconstruction."""
        half = _z(self.level) * self.total_se
        return math.exp(self.log_hr - half), math.exp(self.log_hr + half)

    @property
    def own_interval(self) -> tuple[float, float]:
        """Where the hazard ratio computed from the trial's own data lies: the reconstruction alone."""
        half = _z(self.level) * self.between_sd
        return math.exp(self.log_hr - half), math.exp(self.log_hr + half)

    @property
    def logrank_p(self) -> float:
        """Two-sided p of the log-rank test."""
        return math.erfc(abs(self.logrank_z) / math.sqrt(2))

    def patients(self) -> list[dict[str, Any]]:
        """One row a patient of either arm."""
        return [row for arm in self.arms for row in arm.patients()]

    def rows(self) -> list[dict[str, Any]]:
        """One row: the hazard ratio with both intervals."""
        low, high = self.ci
        own_low, own_high = self.own_interval
        return [
            {
                "contrast": f"{self.arms[1].label} v {self.arms[0].label}",
                "hr": self.hr,
                "ci_low": low,
                "ci_high": high,
                "log_hr": self.log_hr,
                "se": self.se,
                "between_sd": self.between_sd,
                "total_se": self.total_se,
                "own_low": own_low,
                "own_high": own_high,
                "logrank_p": self.logrank_p,
                "printed_hr": math.exp(self.printed_log_hr),
            }
        ]

    def summary(self) -> str:
        """The hazard ratio, what is printed, and both arms."""
        parts = [super().summary(), *(f"contradiction: {c.message}" for c in self.contradictions)]
        return "\n\n".join(["\n".join(parts), *(arm.summary() for arm in self.arms)])


def reconstruct_trial(
    arms: Sequence[Mapping[str, Any]],
    *,
    hazard_ratio: float | None = None,
    ci: tuple[float, float] | None = None,
    logrank_p: float | None = None,
    level: float = 0.95,
    ensemble: int = 40,
    seed: int = 0,
) -> ReconstructedTrial:
    """Both arms of a trial from their curves, and the hazard ratio of the second against the first.

    arms : two mappings, each with the arguments of `reconstruct_ipd` (time, survival, n_risk ..., label).
    hazard_ratio, ci, logrank_p : as printed, second against first, at `level`. They are soft facts: a printed
    hazard ratio is often stratified or adjusted, so it moves the estimate only as far as the reconstruction is open,
    and a gap that neither explains is a contradiction.
    ensemble : reconstructions of each arm, from `seed`; their hazard ratios carry what the figure leaves open into
    `total_se` (within plus between variance, Rubin's rule).
    Raises InputError for anything that cannot be.
    Source: Efron 1977, doi:10.1080/01621459.1977.10480613; Rubin 1987, doi:10.1002/9780470316696 (total variance).

    >>> control = {"time": [0, 2, 5, 9, 12], "survival": [1, 0.8, 0.6, 0.4, 0.4], "n": 20, "label": "control"}
    >>> treated = {"time": [0, 3, 6, 8, 12], "survival": [1, 0.9, 0.8, 0.7, 0.7], "n": 20, "label": "treated"}
    >>> found = reconstruct_trial([control, treated], ensemble=5)
    >>> 0.2 < found.hr < 0.8
    True
    """
    _check(arms, hazard_ratio, ci, logrank_p, level, ensemble)
    first, second = (_arm(arm, i, ensemble, seed) for i, arm in enumerate(arms))
    own = _compare(first, second)
    pairs = list(zip(first.ensemble, second.ensemble, strict=True))
    found = [compare(*_joined(a.time, a.event, b.time, b.event)) for a, b in pairs]
    drawn = np.array([each.log_hr for each in found])
    between = math.hypot(_between(drawn, own.log_hr), _unmet(first), _unmet(second))
    printed, printed_se = _printed(hazard_ratio, ci, level)
    told = _contradictions(own, printed, printed_se, between, logrank_p)
    log_hr, after = own.log_hr, between
    if not math.isnan(printed) and not math.isnan(own.log_hr) and not told:
        soft = math.hypot(_rounding_sd(hazard_ratio), ADJUSTED * own.se)
        weight = between**2 / (between**2 + soft**2)
        log_hr, after = own.log_hr + weight * (printed - own.log_hr), between * math.sqrt(1 - weight)
    return ReconstructedTrial(
        arms=(first, second),
        log_hr=log_hr,
        se=own.se,
        between_sd=after,
        total_se=math.sqrt(own.se**2 + after**2 * (1 + 1 / max(len(drawn), 1))),
        level=level,
        logrank_z=own.logrank_z,
        ensemble_log_hr=frozen(drawn),
        printed_log_hr=printed,
        printed_se=printed_se,
        unadjusted_log_hr=own.log_hr,
        contradictions=tuple(told),
    )


def _check(
    arms: Sequence[Mapping[str, Any]],
    hazard_ratio: float | None,
    ci: tuple[float, float] | None,
    logrank_p: float | None,
    level: float,
    ensemble: int,
) -> None:
    if isinstance(arms, Mapping) or len(arms) != 2 or not all(isinstance(arm, Mapping) for arm in arms):
        raise InputError(
            "must be two mappings", where="arms", hint="the arguments of reconstruct_ipd, by arm"
        )
    for name, value in (("hazard_ratio", hazard_ratio), *(("ci", v) for v in ci or ())):
        if value is not None and not (isinstance(value, (int, float)) and 0 < value < math.inf):
            raise InputError(f"is {value!r}", where=name, hint="a hazard ratio above 0")
    if ci is not None and (len(ci) != 2 or ci[0] >= ci[1]):
        raise InputError(f"is {ci!r}", where="ci", hint="lower and upper limit")
    if ci is not None and hazard_ratio is not None and not ci[0] <= hazard_ratio <= ci[1]:
        raise InputError(
            f"{hazard_ratio} is outside {ci}", where="hazard_ratio", hint="one contrast for both"
        )
    if logrank_p is not None and not 0 < logrank_p <= 1:
        raise InputError(
            f"is {logrank_p!r}", where="logrank_p", hint="above 0, at most 1; a bound is not a value"
        )
    if not 0 < level < 1:
        raise InputError(f"level is {level!r}", where="level", hint="a fraction: 0.95")
    if ensemble == 1:
        raise InputError("is 1", where="ensemble", hint="0 or at least 2: one draw has no spread")


def _arm(arm: Mapping[str, Any], place: int, ensemble: int, seed: int) -> ReconstructedIPD:
    known = {"label": f"arm {place + 1}", **arm, "ensemble": ensemble, "seed": 2 * seed + place}
    try:
        return reconstruct_ipd(**known)
    except TypeError as error:
        raise InputError(str(error).split(")")[-1].strip(), where=f"arms[{place}]") from error


def _compare(first: ReconstructedIPD, second: ReconstructedIPD) -> TwoArms:
    return compare(*_joined(first.time, first.event, second.time, second.event))


def _joined(time0: Floats, event0: Floats, time1: Floats, event1: Floats) -> tuple[Floats, Floats, Floats]:
    arm = np.concatenate([np.zeros(len(time0)), np.ones(len(time1))])
    return np.concatenate([time0, time1]), np.concatenate([event0, event1]), arm


def _between(drawn: Floats, own: float) -> float:
    """Spread of the draws about the estimate itself, so that a drift of the draws counts too."""
    drawn = drawn[np.isfinite(drawn)]
    if len(drawn) < 2 or math.isnan(own):
        return 0.0 if not math.isnan(own) else math.nan
    return math.sqrt(float(np.mean((drawn - own) ** 2)) * len(drawn) / (len(drawn) - 1) + LEAST_SD**2)


def _unmet(arm: ReconstructedIPD) -> float:
    """Events that were given and could not be made, as a shift of the log hazard ratio: a ratio goes by its events."""
    if arm.events_given is None or arm.events == arm.events_given:
        return 0.0
    return abs(math.log((arm.events + 0.5) / (arm.events_given + 0.5)))


def _printed(hazard_ratio: float | None, ci: tuple[float, float] | None, level: float) -> tuple[float, float]:
    """Log hazard ratio (the middle of the interval where only that is given) and its se; NaN: not given."""
    se = math.nan if ci is None else math.log(ci[1] / ci[0]) / (2 * _z(level))
    if hazard_ratio is not None:
        return math.log(hazard_ratio), se
    return (math.nan if ci is None else math.log(ci[0] * ci[1]) / 2), se


def _rounding_sd(hazard_ratio: float | None) -> float:
    """Sd on the log scale of a hazard ratio printed with two decimals (or a middle of two such limits)."""
    return 0.005 / math.sqrt(3) / (hazard_ratio or 0.5)


def _contradictions(
    own: TwoArms, printed: float, printed_se: float, between: float, logrank_p: float | None
) -> list[Contradiction]:
    told = []
    if not math.isnan(printed) and not math.isnan(own.log_hr):
        soft = math.hypot(between, ADJUSTED * own.se, 0.01)
        if abs(own.log_hr - printed) > FAR * soft:
            message = (
                f"the hazard ratio is printed as {math.exp(printed):.3g}, the curves give {math.exp(own.log_hr):.3g}: "
                "stratified or adjusted, the other arm as reference, or another analysis?"
            )
            given, implied = math.exp(printed), math.exp(own.log_hr)
            told.append(Contradiction(fact="hazard_ratio", given=given, implied=implied, message=message))
    if not math.isnan(printed_se) and not math.isnan(own.se) and not 0.8 < own.se / printed_se < 1.25:
        message = f"the printed interval has se {printed_se:.3g}, the curves give {own.se:.3g}"
        told.append(Contradiction(fact="ci", given=printed_se, implied=own.se, message=message))
    if logrank_p is not None and not math.isnan(own.logrank_z):
        from scipy.special import ndtri

        z = -float(ndtri(logrank_p / 2))
        if abs(abs(own.logrank_z) - z) > P_FAR:
            implied = math.erfc(abs(own.logrank_z) / math.sqrt(2))
            message = f"the log-rank p is printed as {logrank_p:.3g}, the curves give {implied:.3g}"
            told.append(Contradiction(fact="logrank_p", given=logrank_p, implied=implied, message=message))
    return told


def _z(level: float) -> float:
    from scipy.special import ndtri

    return float(ndtri((1 + level) / 2))
