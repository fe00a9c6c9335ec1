"""The random-effects model of k estimates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.errors import InputError
from kmeta.core.result import Result
from kmeta.core.views import PlotViews
from kmeta.methods.meta.scales import back_transform
from kmeta.methods.meta.tau2 import TAU2


@dataclass(frozen=True, kw_only=True, eq=False)
class MetaFit(Result):
    """Random-effects model of k estimates; mu, se and the intervals are on the analysis scale (log, logit).

    `weights` in percent sum to 100. The prediction interval is NaN when k < 3. `effect*` are the same numbers on
    the scale people read (HR, probability).
    """

    yi: Floats
    vi: Floats
    measure: str
    method: str
    test: str
    level: float
    mu: float
    se: float
    ci_low: float
    ci_high: float
    pi_low: float
    pi_high: float
    statistic: float
    df: float
    p_value: float
    tau2: float
    tau2_low: float
    tau2_high: float
    i2: float
    h2: float
    q: float
    q_df: int
    q_p: float
    weights: Floats
    converged: bool = True

    plot = PlotViews(forest="kmeta.plots.forest:forest")

    @property
    def k(self) -> int:
        """Number of estimates."""
        return len(self.yi)

    def on_scale(self, value: float) -> float:
        """`value` of the analysis scale on the scale people read."""
        return float(back_transform(self.measure)(np.asarray(value, dtype=float)))

    @property
    def effect(self) -> float:
        """mu on the scale people read."""
        return self.on_scale(self.mu)

    @property
    def effect_ci(self) -> tuple[float, float]:
        """Confidence interval on the scale people read."""
        return self.on_scale(self.ci_low), self.on_scale(self.ci_high)

    @property
    def effect_pi(self) -> tuple[float, float]:
        """Prediction interval on the scale people read; NaN when k < 3."""
        return self.on_scale(self.pi_low), self.on_scale(self.pi_high)

    def rows(self) -> list[dict[str, Any]]:
        """One row: the pooled estimate."""
        return [
            {
                "term": "mu",
                "estimate": self.mu,
                "se": self.se,
                "ci_low": self.ci_low,
                "ci_high": self.ci_high,
                "tau2": self.tau2,
                "k": self.k,
            }
        ]


def random_effects(
    yi: ArrayLike, vi: ArrayLike, *, measure: str, tau2: str = "REML", test: str = "hksj", level: float = 0.95
) -> MetaFit:
    """Pool estimates `yi` with sampling variances `vi`; `tau2` names an estimator in TAU2."""
    from scipy.stats import chi2, norm, t

    y, v = frozen(yi), frozen(vi)
    if y.ndim != 1 or y.shape != v.shape or not len(y):
        raise InputError(
            f"yi has shape {y.shape}, vi {v.shape}", hint="two lists of equal length, at least one"
        )
    if not (v > 0).all():
        row = int(np.argmin(v > 0))
        raise InputError(f"vi[{row}] is {v[row]:g}, must be above 0", hint="vi is se**2, not a weight")
    k = len(y)
    between = TAU2[tau2](y, v) if k > 1 else 0.0
    wi = 1 / (v + between)
    mu = float(np.average(y, weights=wi))
    se = float(wi.sum() ** -0.5)
    df = float("inf")
    if test == "hksj" and k > 1:
        scale = float(np.sum(wi * (y - mu) ** 2) / (k - 1))
        se, df = se * max(1.0, scale) ** 0.5, k - 1
    crit = float(norm.ppf((1 + level) / 2) if np.isinf(df) else t.ppf((1 + level) / 2, df))
    pi = float(t.ppf((1 + level) / 2, k - 1)) * (between + se**2) ** 0.5 if k >= 3 else float("nan")
    w0 = 1 / v
    q = float(np.sum(w0 * (y - np.average(y, weights=w0)) ** 2))
    stat = mu / se
    typical = (k - 1) * w0.sum() / (w0.sum() ** 2 - (w0**2).sum()) if k > 1 else float("nan")
    return MetaFit(
        yi=y,
        vi=v,
        measure=measure,
        method=tau2,
        test=test,
        level=level,
        mu=mu,
        se=se,
        ci_low=mu - crit * se,
        ci_high=mu + crit * se,
        pi_low=mu - pi,
        pi_high=mu + pi,
        statistic=stat,
        df=df,
        p_value=float(2 * (norm.sf(abs(stat)) if np.isinf(df) else t.sf(abs(stat), df))),
        tau2=between,
        tau2_low=float("nan"),
        tau2_high=float("nan"),
        i2=between / (between + typical) if k > 1 else 0.0,
        h2=(between + typical) / typical if k > 1 else 1.0,
        q=q,
        q_df=k - 1,
        q_p=float(chi2.sf(q, k - 1)) if k > 1 else 1.0,
        weights=frozen(100 * wi / wi.sum()),
    )
