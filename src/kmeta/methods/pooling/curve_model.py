"""The distribution-free model of a pooled survival curve: conditional survivals on the arcsine scale.

Source: Combescure, Foucher & Jackson 2014, doi:10.1002/sim.6111; Jackson, White & Thompson 2010,
doi:10.1002/sim.3602 (the multivariate DerSimonian-Laird estimator).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kmeta.core.arrays import Floats, frozen

CORRECTION = (0.25, 0.5)


@dataclass(frozen=True, kw_only=True, eq=False)
class CurveModel:
    """`b` (p,): pooled arcsine of the square root of each conditional survival; `vcov` (p, p) its covariance;
    `between` (p, p) that of the studies' own around it; `y`, `v` (K, p) the studies' values, NaN after their end.
    """

    b: Floats
    vcov: Floats
    between: Floats
    y: Floats
    v: Floats

    @property
    def survival(self) -> Floats:
        """S(t) at each time, (p,)."""
        return np.asarray(np.cumprod(np.sin(self.b) ** 2), dtype=np.float64)

    @property
    def slopes(self) -> Floats:
        """Derivatives of ln S(t_i) by b_j, (p, p): 2 cot b_j up to t_i; infinite after a survival of 0."""
        with np.errstate(divide="ignore"):
            steep = 2 / np.tan(self.b)
        return np.asarray(np.where(np.tri(len(self.b), dtype=bool), steep, 0.0), dtype=np.float64)

    def log_variance(self, *, prediction: bool = False) -> Floats:
        """Variance of ln S(t) (p,): of the pooled curve, or of the curve of a new study."""
        return np.asarray(np.diag(self.log_covariance(prediction=prediction)), dtype=np.float64)

    def log_covariance(self, *, prediction: bool = False) -> Floats:
        """Covariance (p, p) of ln S over the times; NaN where S is 0."""
        total = self.vcov + self.between if prediction else self.vcov
        slopes = self.slopes
        known = np.isfinite(slopes).all(axis=1)
        out = np.full_like(total, np.nan)
        part = slopes[known]
        part[:, ~np.isfinite(slopes).all(axis=0)] = 0.0
        out[np.ix_(known, known)] = part @ total @ part.T
        return out


def arcsine_values(survival: Floats, n_risk: Floats, *, correction: bool) -> tuple[Floats, Floats]:
    """(y, v), arrays (K, p): transformed conditional survivals and their variances 1 / (4 n)."""
    before = np.concatenate([np.ones((len(survival), 1)), survival[:, :-1]], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        q = np.clip(survival / before, 0.0, 1.0)
    above, below = CORRECTION if correction else (0.0, 0.0)
    y = np.arcsin(np.sqrt((n_risk * q + above) / (n_risk + below)))
    return y, 1 / (4 * (n_risk + below))


def between_covariance(y: Floats, v: Floats) -> Floats:
    """Multivariate DerSimonian-Laird covariance (p, p), negative eigenvalues set to 0.

    Each pair of times is judged by the studies that report both, weighted by 1 / sqrt(v v'); a pair with fewer than
    two studies adds nothing.
    """
    seen = np.isfinite(y)
    root = np.where(seen, 1 / np.sqrt(np.where(seen, v, 1.0)), 0.0)
    value = np.where(seen, y, 0.0)
    ry = root * value
    total = root.T @ root
    number = seen.astype(float).T @ seen.astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = (ry.T @ root) / total, (root.T @ ry) / total
        q = ry.T @ ry - total * first * second
        within = np.diag(np.maximum(np.diag(number) - 1, 0.0))
        scale = total - (root**2).T @ (root**2) / total
        found = np.where(number >= 2, (q - within) / scale, 0.0)
    values, vectors = np.linalg.eigh((found + found.T) / 2)
    return np.asarray((vectors * np.maximum(values, 0.0)) @ vectors.T, dtype=np.float64)


def fit_curves(survival: Floats, n_risk: Floats, *, correction: bool, random: bool) -> CurveModel:
    """Pool K studies on p times, NaN after a study's end: generalised least squares on the arcsine scale."""
    y, v = arcsine_values(survival, n_risk, correction=correction)
    p = y.shape[1]
    between = between_covariance(y, v) if random else np.zeros((p, p))
    gram, right = np.zeros((p, p)), np.zeros(p)
    for own, variance in zip(y, v, strict=True):
        m = int(np.isfinite(own).sum())  # a study is followed from 0 to its end
        weight = np.linalg.inv(between[:m, :m] + np.diag(variance[:m]))
        gram[:m, :m] += weight
        right[:m] += weight @ own[:m]
    vcov = np.linalg.inv(gram)
    return CurveModel(
        b=frozen(np.clip(vcov @ right, 0.0, np.pi / 2)),
        vcov=frozen((vcov + vcov.T) / 2),
        between=frozen(between),
        y=frozen(y),
        v=frozen(v),
    )
