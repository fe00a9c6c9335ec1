"""The generalised gamma and the generalised F, stable through their limits.

Source: Prentice 1974, doi:10.1093/biomet/61.3.539 (gamma), and 1975, doi:10.1093/biomet/62.3.607 (F), as in flexsurv:
Jackson 2016, doi:10.18637/jss.v070.i08.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.methods.survival.parametric.distribution import (
    Lifetimes,
    Parameter,
    Relative,
    plain,
)
from kmeta.methods.survival.parametric.incomplete_gamma import (
    central_slope,
    log_lower_gamma,
    log_upper_gamma,
)
from kmeta.methods.survival.parametric.location_scale import (
    HALF_LOG_2PI,
    WIDEST,
    LocationScale,
    LogLogistic,
    LogNormal,
    Standard,
    Weibull,
)

LARGEST_Q = 40.0
NEAR_NORMAL = 1e-3  # |Q| below which the survival is expanded about the normal
LARGE_SHAPE = 50.0  # shape of a gamma beyond which Stirling's series is exact
SMALL = 0.05  # |argument| below which exp(z) - 1 - z is expanded
BEND = tuple(1 / math.factorial(k + 2) for k in range(8))  # its coefficients
STEP = 3e-5
NEAR_GAMMA = -7.0  # log P below which the special functions lose digits
LEAST_LOG_P = -18.0  # P below e^-18 is 0: the generalised gamma


def stirling_rest(a: float) -> float:
    """log Gamma(a) less (a - 1/2) log a - a + log(2 pi) / 2."""
    if a > LARGE_SHAPE:
        r = 1 / (a * a)
        return (1 / 12 - r * (1 / 360 - r * (1 / 1260 - r / 1680))) / a
    return math.lgamma(a) - ((a - 0.5) * math.log(a) - a + HALF_LOG_2PI)


def bend(z: Floats) -> tuple[Floats, Floats]:
    """(e^z - 1 - z) / z^2 and its derivative, through z = 0."""
    near = np.abs(z) < SMALL
    close, far = np.where(near, z, 0.0), np.where(near, 1.0, z)
    value, slope = np.zeros_like(close), np.zeros_like(close)
    for k in range(6, -1, -1):
        value = value * close + BEND[k]
        slope = slope * close + (k + 1) * BEND[k + 1]
    grown = np.expm1(far)
    direct = (grown - far) / far**2
    return np.where(near, value, direct), np.where(near, slope, (grown / far - 2 * direct) / far)


@plain
class GeneralisedGamma(LocationScale):
    """Q = 1 Weibull, Q = 0 log-normal, Q = sigma gamma; of any sign."""

    name, r_name = "generalised-gamma", "gengamma"
    parameters = (Parameter("mu"), Parameter("sigma", positive=True), Parameter("Q"))

    def standard_density(self, w: Floats, shapes: Floats) -> Standard:
        """-w^2 bend(Q w) less a constant: no difference of large numbers, whatever Q."""
        q = float(shapes[0])
        curve, curve_slope = bend(q * w)
        constant, constant_slope = _log_constant(q)
        value = constant - w * w * curve
        slope = -w * (2 * curve + q * w * curve_slope)
        return value, slope, (constant_slope - w**3 * curve_slope)[None, :]

    def standard_survival(self, w: Floats, shapes: Floats) -> Standard:
        """The incomplete gamma function, or its expansion about the normal."""
        q = float(shapes[0])
        value = _log_survival(w, q)
        density = _log_constant(q)[0] - w * w * bend(q * w)[0]
        in_q = central_slope(lambda at: _log_survival(w, at), q, STEP * max(1.0, abs(q)))
        return value, -np.exp(density - value), in_q[None, :]

    def limits(self) -> tuple[Floats, Floats]:
        """|Q| up to 40."""
        low, high = super().limits()
        low[2], high[2] = -LARGEST_Q, LARGEST_Q
        return low, high

    def starts(self, lives: Lifetimes) -> list[Floats]:
        """None of its own: the log-normal's and the Weibull's maxima."""
        return []

    def relatives(self) -> Sequence[Relative]:
        """Log-normal (Q = 0) and Weibull (Q = 1), both among its members."""
        return (
            (LogNormal(), lambda theta: np.append(theta, 0.0)),
            (Weibull(), lambda theta: np.array([theta[1], -theta[0], 1.0])),
        )

    def finite_mean(self, theta: Floats) -> bool:
        """With Q below 0 the tail is t^(1 / (Q sigma))."""
        return bool(theta[2] >= 0 or -1 / (theta[2] * math.exp(theta[1])) > 1)


def _log_constant(q: float) -> tuple[float, float]:
    """log |Q| + a log a - a - log Gamma(a) for a = 1 / Q^2, and its derivative in Q."""
    a = 1 / (q * q) if q * q > 0 else math.inf
    if a > LARGE_SHAPE:
        s = q * q
        slope = -q * (1 / 6 - s * s * (1 / 60 - s * s * (1 / 126 - s * s / 120)))
        return -HALF_LOG_2PI - (stirling_rest(a) if a < math.inf else 0.0), slope
    from scipy.special import digamma

    slope = 1 / q - 2 / q**3 * (math.log(a) - float(digamma(a)))
    return -HALF_LOG_2PI - stirling_rest(a), slope


def _log_survival(w: Floats, q: float) -> Floats:
    if abs(q) < NEAR_NORMAL:
        return _near_normal(w, q)
    a = 1 / (q * q)
    log_x = q * w - 2 * math.log(abs(q))
    return log_upper_gamma(a, log_x) if q > 0 else log_lower_gamma(a, log_x)


def _near_normal(w: Floats, q: float) -> Floats:
    """Temme's uniform expansion for a large shape 1 / Q^2, with its first two coefficients (DLMF 8.12)."""
    from scipy.special import log_ndtr

    zeta = w * np.sqrt(2 * bend(q * w)[0])
    eta = q * zeta
    near = np.abs(eta) < 0.1
    close = np.where(near, eta, 0.0)
    series = -1 / 3 + close * (1 / 12 + close * (-2 / 135 + close * (1 / 864 + close / 2835)))
    far = np.where(near, 1.0, eta)
    lifted = np.where(near, 1.0, np.expm1(np.minimum(q * w, 700.0)))
    first = np.where(near, series, 1 / lifted - 1 / far)
    normal = log_ndtr(-zeta)
    share = np.exp(-0.5 * zeta * zeta - HALF_LOG_2PI - normal)
    return np.asarray(normal + np.log1p(np.maximum(q * share * (first - q * q / 540), -0.999)))


@plain
class GeneralisedF(LocationScale):
    """With P -> 0 the generalised gamma; Q = 0 and P = 1 the log-logistic."""

    name, r_name = "generalised-f", "genf"
    parameters = (
        Parameter("mu"),
        Parameter("sigma", positive=True),
        Parameter("Q"),
        Parameter("P", positive=True),
    )

    def standard_density(self, w: Floats, shapes: Floats) -> Standard:
        """Log density of the log of an F variable, over delta."""
        value, slope = near_gamma(_f_density, _gamma_density, w, shapes)
        return (
            value,
            slope,
            _shape_slopes(lambda at: near_gamma(_f_density, _gamma_density, w, at)[0], shapes),
        )

    def standard_survival(self, w: Floats, shapes: Floats) -> Standard:
        """The regularised incomplete beta function."""

        def survival(at: Floats) -> Floats:
            return near_gamma(_f_survival, _log_survival, w, at)

        value = survival(shapes)
        density = near_gamma(_f_density, _gamma_density, w, shapes)[0]
        return value, -np.exp(density - value), _shape_slopes(survival, shapes)

    def limits(self) -> tuple[Floats, Floats]:
        """P down to e^-18 (0 for all that matters) and up to e^7."""
        low, high = super().limits()
        low[2], high[2] = -LARGEST_Q, LARGEST_Q
        low[3], high[3] = LEAST_LOG_P, WIDEST
        return low, high

    def starts(self, lives: Lifetimes) -> list[Floats]:
        """None of its own: maxima of its members."""
        return []

    def relatives(self) -> Sequence[Relative]:
        """The log-logistic (Q = 0, P = 1: sigma is its own times sqrt 2) and the generalised gamma (P small)."""
        return (
            (LogLogistic(), lambda theta: np.array([theta[1], 0.5 * math.log(2) - theta[0], 0.0, 0.0])),
            (GeneralisedGamma(), lambda theta: np.append(theta, -3.0)),
        )

    def last_resort(self) -> Sequence[Relative]:
        """The generalised gamma itself, P at its limit."""
        return ((GeneralisedGamma(), lambda theta: np.append(theta, LEAST_LOG_P)),)

    def boundary(self, theta: Floats) -> tuple[str, ...]:
        """P at 0 is a model of its own."""
        if theta[3] <= LEAST_LOG_P + 1e-6:
            return ("boundary: P is at its limit 0, where the generalised F is the generalised gamma",)
        return super().boundary(theta)

    def finite_mean(self, theta: Floats) -> bool:
        """The tail is t^(-s2 delta / sigma)."""
        if theta[3] <= LEAST_LOG_P:
            return GeneralisedGamma().finite_mean(theta[:3])
        _, s2, delta = _degrees(float(theta[2]), float(theta[3]))
        return s2 * delta / math.exp(theta[1]) > 1


def near_gamma(
    general: Callable[[Floats, float, float], Floats],
    gamma: Callable[[Floats, float], Floats],
    w: Floats,
    shapes: Floats,
) -> Floats:
    """`general` (w, Q, log P); with a P too small for its special functions, the parabola in P from `gamma` (P = 0)."""
    q, log_p = float(shapes[0]), float(shapes[1])
    if log_p >= NEAR_GAMMA:
        return general(w, q, log_p)
    r = math.exp(log_p - NEAR_GAMMA)
    middle, end = general(w, q, NEAR_GAMMA - math.log(2)), general(w, q, NEAR_GAMMA)
    return np.asarray((1 - 2 * r) * (1 - r) * gamma(w, q) + 4 * r * (1 - r) * middle + r * (2 * r - 1) * end)


def _shape_slopes(function: Callable[[Floats], Floats], shapes: Floats) -> Floats:
    """Derivatives in Q and log P, shape (2, n)."""
    q, log_p = float(shapes[0]), float(shapes[1])
    return np.vstack(
        [
            central_slope(lambda at: function(np.array([at, log_p])), q, STEP * max(1.0, abs(q))),
            central_slope(lambda at: function(np.array([q, at])), log_p, STEP),
        ]
    )


def _gamma_density(w: Floats, q: float) -> Floats:
    """Value and slope in w of the generalised gamma's log density, shape (2, n)."""
    return np.vstack(GeneralisedGamma().standard_density(w, np.array([q]))[:2])


def _degrees(q: float, log_p: float) -> tuple[float, float, float]:
    """(s1, s2, delta): half the degrees of freedom and the scale, without the cancelling difference delta - |Q|."""
    p = math.exp(log_p)
    delta = math.sqrt(q * q + 2 * p)
    small, large = 2 / (delta * (delta + abs(q))), (delta + abs(q)) / (delta * p)
    return (small, large, delta) if q >= 0 else (large, small, delta)


def _log_mix(share: float, z: Floats) -> Floats:
    """log(1 - share + share e^z)."""
    low = math.log1p(-share) if share < 1 else -math.inf
    direct = np.logaddexp(low, math.log(share) + z)
    return np.where(np.abs(z) < 1, np.log1p(share * np.expm1(np.clip(z, -1, 1))), direct)


def _f_density(w: Floats, q: float, log_p: float) -> Floats:
    """Log density and its slope in w, shape (2, n)."""
    s1, s2, delta = _degrees(q, log_p)
    rest = stirling_rest(s1 + s2) - stirling_rest(s1) - stirling_rest(s2)
    constant = 0.5 * (math.log(s1) + math.log(s2) - math.log(s1 + s2)) - HALF_LOG_2PI + rest
    share = s1 / (s1 + s2)
    mixed = _log_mix(share, delta * w)
    value = math.log(delta) + constant + s1 * delta * w - (s1 + s2) * mixed
    return np.vstack([value, delta * (s1 - (s1 + s2) * share * np.exp(delta * w - mixed))])


def _f_survival(w: Floats, q: float, log_p: float) -> Floats:
    from scipy.special import betainc, betaln

    s1, s2, delta = _degrees(q, log_p)
    tilt = np.clip(math.log(s1) - math.log(s2) + delta * w, -700, 700)  # log odds of the beta variable
    y = 1 / (1 + np.exp(tilt))
    survival = betainc(s2, s1, y)
    with np.errstate(divide="ignore"):
        value: Floats = np.log(survival)
    most = survival > 0.5
    value[most] = np.log1p(-betainc(s1, s2, 1 / (1 + np.exp(-tilt[most]))))
    far = survival < 1e-200
    if far.any():  # leading term of the lower tail of the beta distribution of y, with one correction
        log_y = -np.logaddexp(0, tilt[far])
        first = s2 * log_y + s1 * np.log1p(-y[far]) - math.log(s2) - float(betaln(s1, s2))
        value[far] = first + np.log1p((s1 + s2) / (s2 + 1) * y[far])
    return value
