"""Bayesian random-effects meta-analysis by deterministic integration over tau: the same numbers every time.

Given tau, the pooled effect, the studies' effects and a new study's effect are normal; so the posterior is a mixture
of normals over tau, and one integral in log(tau), by Gauss-Legendre panels halved until they agree, gives it all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.core.arrays import Floats, frozen
from kmeta.core.canonical import plain
from kmeta.core.errors import ConvergenceError, InputError
from kmeta.core.numbers import decimal, interval
from kmeta.core.result import Result
from kmeta.methods.meta.inputs import EXTREME, estimates, labels_of, level_of
from kmeta.methods.meta.scales import back_transform, natural_name, scale_name
from kmeta.methods.meta.tau_priors import TauPrior, half_normal

NODES = 10
AGREE = 1e-13  # of the whole mass: a panel and its halves differ by less
WIDE = 40.0  # on the log scale: exp(-40) is nothing beside 1
NOTHING = 1e-20
CELLS = 1 << 20  # numbers at once


@dataclass(frozen=True, kw_only=True, eq=False)
class Mixture:
    """Normals N(mean, sd**2) with probabilities; arrays (n,), or (n, c) for c quantities that share them."""

    probability: Floats
    mean: Floats
    sd: Floats

    def cdf(self, x: float) -> float:
        """P(quantity <= x)."""
        from scipy.special import ndtr

        return float(self.probability @ ndtr((x - self.mean) / self.sd))

    def density(self, x: float) -> float:
        """Density at x."""
        z = (x - self.mean) / self.sd
        return float(self.probability @ (np.exp(-0.5 * z * z) / self.sd)) / math.sqrt(2 * math.pi)

    def quantile(self, p: float) -> Floats:
        """Quantiles of the c quantities (shape (c,); (1,) for one), by halving to the last bit."""
        from scipy.special import ndtr

        mean, sd = self.mean.reshape(len(self.mean), -1), self.sd.reshape(len(self.sd), -1)
        low, high = (mean - 40 * sd).min(axis=0), (mean + 40 * sd).max(axis=0)
        for _ in range(200):
            middle = 0.5 * (low + high)
            below = self.probability @ ndtr((middle - mean) / sd) < p
            low, high = np.where(below, middle, low), np.where(below, high, middle)
            if (high - low <= 1e-15 * np.maximum(np.abs(low), np.abs(high))).all():
                break
        return np.asarray(0.5 * (low + high))

    def shortest(self, level: float) -> tuple[float, float]:
        """The shortest interval that holds `level`: the highest-density one where the density has one peak."""
        from scipy.optimize import brentq

        def tilt(a: float) -> float:
            return self.density(float(self.quantile(a)[0])) - self.density(float(self.quantile(a + level)[0]))

        edge = (1 - level) * 1e-6
        a = float(brentq(tilt, edge, 1 - level - edge, xtol=1e-12))
        return float(self.quantile(a)[0]), float(self.quantile(a + level)[0])


@dataclass(frozen=True, kw_only=True, eq=False)
class Panels:
    """The posterior of u = log(tau) on panels: edges (n + 1,), probability of each, what lies below the first."""

    edges: Floats
    mass: Floats
    below: float
    log_height: Any
    log_total: float

    def cdf(self, tau: float) -> float:
        """P(tau <= tau)."""
        u = math.log(tau) if tau > 0 else -math.inf
        if u <= self.edges[0]:
            return self.below if tau > 0 else 0.0
        if u >= self.edges[-1]:
            return 1.0
        i = int(np.searchsorted(self.edges, u, side="right")) - 1
        nodes, widths = _legendre(self.edges[i : i + 1], np.array([u]))
        part = float(np.sum(np.exp(self.log_height(nodes.ravel()) - self.log_total) * widths.ravel()))
        return self.below + float(self.mass[:i].sum()) + part

    def density(self, tau: float) -> float:
        """Density of tau, tau > 0."""
        u = math.log(tau)
        return float(np.exp(self.log_height(np.array([u]))[0] - self.log_total - u))

    def quantile(self, p: float) -> float:
        """Quantile of tau; 0 where what lies below every panel holds it."""
        from scipy.optimize import brentq

        if p <= self.below:
            return 0.0
        total = self.below + np.cumsum(self.mass)
        i = min(int(np.searchsorted(total, p)), len(self.mass) - 1)
        low, high = float(self.edges[i]), float(self.edges[i + 1])
        start = self.below + float(self.mass[:i].sum())

        def short(u: float) -> float:
            nodes, widths = _legendre(np.array([low]), np.array([u]))
            part = np.exp(self.log_height(nodes.ravel()) - self.log_total) * widths.ravel()
            return start + float(part.sum()) - p

        if short(high) <= 0:
            return math.exp(high)
        return math.exp(float(brentq(short, low, high, xtol=1e-14, rtol=1e-14)))

    def shortest(self, level: float) -> tuple[float, float]:
        """The shortest interval of tau that holds `level`; it starts at 0 where the density falls from there."""
        from scipy.optimize import brentq

        def tilt(a: float) -> float:
            return self.density(max(self.quantile(a), 1e-300)) - self.density(self.quantile(a + level))

        edge = max(self.below, (1 - level) * 1e-6)
        if edge >= 1 - level or tilt(edge) >= 0:
            return 0.0, self.quantile(level)
        a = float(brentq(tilt, edge, (1 - level) * (1 - 1e-6), xtol=1e-12))
        return self.quantile(a), self.quantile(a + level)


@dataclass(frozen=True, kw_only=True, eq=False)
class BayesFit(Result):
    """Posterior of the pooled effect mu, of tau, of a new study's effect and of each study's effect.

    Analysis scale throughout; `mu`, `tau` are posterior medians, `*_mean`, `*_sd` moments (infinite where the
    posterior has none), `ci_*`, `tau_*`, `pi_*`, `theta_*` equal-tailed intervals at `level`. `theta_*` of shape (k,)
    are the shrunken effects of the studies, `shrinkage` how far each is drawn to the mean (0 not, 1 wholly), `weights`
    the studies' mean weights in percent. `bf_tau0`: Bayes factor of tau = 0 against the prior of tau, where that is
    proper; `bf_mu0` of mu = 0 against the prior of mu, where both are (else NaN). `log_evidence` likewise.
    """

    yi: Floats
    vi: Floats
    measure: str
    labels: tuple[str, ...]
    level: float
    prior_tau: str
    prior_mu: tuple[float, float] | None
    mu: float
    mu_mean: float
    mu_sd: float
    ci_low: float
    ci_high: float
    tau: float
    tau_mean: float
    tau_sd: float
    tau_low: float
    tau_high: float
    pi_low: float
    pi_high: float
    pi_sd: float
    theta: Floats
    theta_mean: Floats
    theta_sd: Floats
    theta_low: Floats
    theta_high: Floats
    shrinkage: Floats
    weights: Floats
    bf_tau0: float
    bf_mu0: float
    log_evidence: float
    effect_posterior: Mixture = field(repr=False)
    predictive: Mixture = field(repr=False)
    tau_posterior: Panels = field(repr=False)
    prior_density: str = ""
    prior_upper: float = math.inf
    warnings: tuple[str, ...] = ()

    @property
    def k(self) -> int:
        """Number of estimates."""
        return len(self.yi)

    def on_scale(self, value: float) -> float:
        """`value` of the analysis scale on the scale people read."""
        return float(back_transform(self.measure)(np.asarray(value, dtype=float)))

    @property
    def effect(self) -> float:
        """Posterior median of mu on the scale people read."""
        return self.on_scale(self.mu)

    @property
    def effect_ci(self) -> tuple[float, float]:
        """Its interval on the scale people read."""
        return self.on_scale(self.ci_low), self.on_scale(self.ci_high)

    def probability_below(self, value: float) -> float:
        """P(mu < value), on the analysis scale."""
        return self.effect_posterior.cdf(value)

    def shortest(self, what: str = "mu") -> tuple[float, float]:
        """Shortest interval at `level` of "mu", "tau" or "new" (a new study): the highest-density one for one peak."""
        parts: dict[str, Mixture | Panels] = {
            "mu": self.effect_posterior,
            "new": self.predictive,
            "tau": self.tau_posterior,
        }
        if what not in parts:
            raise InputError(f"no quantity is named {what!r}", where="what", hint="mu, tau or new")
        return parts[what].shortest(self.level)

    def summary(self) -> str:
        """The posterior as text, with the scale named."""
        level = f"{100 * self.level:g} %"
        scale = scale_name(self.measure)
        prior = "flat" if self.prior_mu is None else f"N({self.prior_mu[0]:g}, {self.prior_mu[1]:g}^2)"
        ci, pi, tau = (
            interval(decimal(low, 4), decimal(high, 4))
            for low, high in (
                (self.ci_low, self.ci_high),
                (self.pi_low, self.pi_high),
                (self.tau_low, self.tau_high),
            )
        )
        lines = [
            f"Bayesian random-effects model: {natural_name(self.measure)} ({self.measure}), k = {self.k} estimates",
            f"analysed {'as is' if scale == 'as is' else f'on the {scale} scale'}; prior of tau {self.prior_tau}, "
            f"of mu {prior}",
            f"mu: median {decimal(self.mu, 4)}, {level} interval {ci}; new study {pi}",
            f"tau: median {decimal(self.tau, 4)}, {level} interval {tau}",
        ]
        if scale != "as is":
            low, high = self.effect_ci
            limits = interval(decimal(low, 3), decimal(high, 3))
            lines.insert(3, f"{natural_name(self.measure)}: {decimal(self.effect, 3)}, {limits}")
        return "\n".join([*lines, *(f"Warning: {text}." for text in self.warnings)])

    def rows(self) -> list[dict[str, Any]]:
        """mu, tau, a new study, then each study."""
        rows = [
            ("mu", self.mu, self.mu_mean, self.mu_sd, self.ci_low, self.ci_high),
            ("tau", self.tau, self.tau_mean, self.tau_sd, self.tau_low, self.tau_high),
            ("new", self.mu, self.mu_mean, self.pi_sd, self.pi_low, self.pi_high),
        ]
        columns = (self.theta, self.theta_mean, self.theta_sd, self.theta_low, self.theta_high)
        rows += [
            (label, *values)
            for label, *values in zip(self.labels, *(c.tolist() for c in columns), strict=True)
        ]
        names = ("term", "median", "mean", "sd", "low", "high")
        return [dict(zip(names, row, strict=True)) for row in rows]

    def r_script(self) -> str:
        """R code with the data inline: bayesmeta's call in words, and the same integrals in base R."""
        from kmeta.methods.meta.r_bayes import bayes_script

        return bayes_script(self)

    def to_dict(self) -> dict[str, Any]:
        """Every number as plain values; the distributions themselves are left out."""
        hidden = ("effect_posterior", "predictive", "tau_posterior")
        return {name: plain(getattr(self, name)) for name in self.__dataclass_fields__ if name not in hidden}


def bayes_random_effects(
    yi: ArrayLike,
    vi: ArrayLike,
    *,
    measure: str,
    prior_tau: TauPrior | None = None,
    prior_mu: tuple[float, float] | None = None,
    level: float = 0.95,
    labels: Sequence[str] | None = None,
) -> BayesFit:
    """Normal-normal hierarchical model of `yi` with variances `vi`, shape (k,), on the analysis scale.

    prior_tau : a prior of `kmeta.methods.meta.tau_priors`: half_normal(scale), half_cauchy(scale), uniform(upper),
        log_normal_tau2, log_student_tau2, turner(outcome, comparison), rhodes(outcome, comparison). Default
        half_normal(0.5), meant for log ratios.
    prior_mu : (mean, standard deviation) of a normal prior of mu; None is flat.
    Integrals are good to 12 digits of the posterior mass, without random numbers.
    Raises InputError for data that cannot be used and for priors under which there is no posterior (flat mu needs two
    estimates, and three with an improper uniform tau), ConvergenceError when the panels do not settle.
    Sources: Roever 2020, doi:10.18637/jss.v093.i06; Roever et al. 2021, doi:10.1002/jrsm.1475; Higgins, Thompson &
    Spiegelhalter 2009, doi:10.1111/j.1467-985X.2008.00552.x.

    >>> found = bayes_random_effects([-0.5, -0.2, -0.9], [0.04, 0.02, 0.09], measure="HR")
    >>> round(found.effect, 3), [round(limit, 3) for limit in found.effect_ci], round(found.tau, 3)
    (0.639, [0.35, 1.037], 0.289)
    """
    y, v = estimates(yi, vi)
    prior = half_normal(0.5) if prior_tau is None else prior_tau
    if not isinstance(prior, TauPrior):
        raise InputError(f"prior_tau is {prior!r}", where="prior_tau", hint="such as half_normal(0.5)")
    centre = _prior_mu(prior_mu)
    _posterior_exists(len(y), prior, centre)
    level = level_of(level)
    model = _Model(y, v, prior, centre)
    panels, tau, probability = _integrate(model)
    return _result(model, panels, tau, probability, measure, level, labels_of(labels, len(y)))


def _prior_mu(prior: tuple[float, float] | None) -> tuple[float, float] | None:
    if prior is None:
        return None
    try:
        mean, sd = (float(value) for value in prior)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"prior_mu is {prior!r}", where="prior_mu", hint="(mean, sd), or None for flat"
        ) from error
    if not (abs(mean) < EXTREME and 0 < sd < EXTREME):
        raise InputError(f"prior_mu is {prior!r}", where="prior_mu", hint="a finite mean and an sd above 0")
    return mean, sd


def _posterior_exists(k: int, prior: TauPrior, centre: tuple[float, float] | None) -> None:
    falls = k - (centre is None)  # the likelihood falls like tau**-falls
    if k == 1 and centre is None:
        raise InputError("one estimate needs a prior of mu", where="prior_mu", hint="(mean, sd)")
    if not prior.proper and falls + prior.tail <= 1:
        raise InputError(
            f"{k} estimates do not make the posterior proper under an unlimited uniform prior",
            where="prior_tau",
            hint="uniform(upper), half_normal(scale), or three estimates",
        )


class _Model:
    """The posterior of tau up to a constant, and what is normal given tau."""

    def __init__(self, y: Floats, v: Floats, prior: TauPrior, centre: tuple[float, float] | None) -> None:
        self.y, self.v, self.prior, self.centre = y, v, prior, centre
        self.origin = float(y[int(v.argmin())])
        self.apart = y - self.origin

    def given(self, tau: Floats) -> tuple[Floats, Floats, Floats]:
        """(mean, sd, log-likelihood) of mu at each tau, shape (n,); the likelihood is integrated over mu."""
        w = 1 / (self.v + (tau * tau)[:, None])
        total, weighted = w.sum(axis=1), w @ self.apart
        log_like = 0.5 * np.log(w).sum(axis=1) - 0.5 * len(self.y) * math.log(2 * math.pi)
        if self.centre is not None:
            mean0, precision0 = self.centre[0] - self.origin, self.centre[1] ** -2
            total, weighted = total + precision0, weighted + precision0 * mean0
            log_like += 0.5 * math.log(precision0)
        else:
            log_like += 0.5 * math.log(2 * math.pi)
        mean = weighted / total
        q = np.einsum("ij,ij->i", w, (self.apart - mean[:, None]) ** 2)
        if self.centre is not None:
            q += precision0 * (mean0 - mean) ** 2
        return mean + self.origin, total**-0.5, log_like - 0.5 * np.log(total) - 0.5 * q

    def log_height(self, u: Floats) -> Floats:
        """Log of prior times likelihood in u = log(tau)."""
        size = max(1, CELLS // len(self.y))
        parts = [self._log_height(u[i : i + size]) for i in range(0, len(u), size)]
        return np.concatenate(parts) if parts else u

    def _log_height(self, u: Floats) -> Floats:
        tau = np.exp(u)
        return self.given(tau)[2] + self.prior.log_density(tau) + u

    def range(self) -> tuple[float, float]:
        """Of u: below it tau is 0 to all digits, above it there is no mass."""
        low = min(0.5 * math.log(float(self.v.min())), math.log(self.prior.scale)) - WIDE / 2
        if not math.isinf(self.prior.upper):
            return min(low, math.log(self.prior.upper) - WIDE), math.log(self.prior.upper)
        widest = max(float(np.ptp(self.y)), float(self.v.max()) ** 0.5, self.prior.scale)
        return low, math.log(widest) + WIDE


def _legendre(left: Floats, right: Floats) -> tuple[Floats, Floats]:
    """Nodes and widths of panels, each (n, NODES)."""
    t, w = np.polynomial.legendre.leggauss(NODES)
    half, middle = (right - left) / 2, (right + left) / 2
    return middle[:, None] + half[:, None] * t, half[:, None] * w


def _integrate(model: _Model) -> tuple[Panels, Floats, Floats]:
    """(posterior on panels, tau of the nodes that count, their probabilities); the first node is tau = 0."""
    low, high = model.range()
    edges = np.linspace(low, high, 1 + math.ceil(high - low))
    left, right = edges[:-1], edges[1:]
    nodes, widths = _legendre(left, right)
    heights = model.log_height(nodes.ravel()).reshape(nodes.shape)
    top = float(heights.max())
    done: list[tuple[Floats, ...]] = []
    for _ in range(60):
        middle = (left + right) / 2
        halves = [_legendre(left, middle), _legendre(middle, right)]
        fine = [model.log_height(n.ravel()).reshape(n.shape) for n, _ in halves]
        top = max([top, *(float(h.max()) for h in fine if h.size)])
        whole = np.sum(np.exp(heights - top) * widths, axis=1)
        parts = [np.sum(np.exp(h - top) * w, axis=1) for h, (_, w) in zip(fine, halves, strict=True)]
        total = sum(float(np.sum(np.exp(one[2] - top) * one[3])) for one in done) + float(
            sum(p.sum() for p in parts)
        )
        good = np.abs(whole - parts[0] - parts[1]) <= AGREE * total
        for (n, w), h, a, b in zip(halves, fine, (left, middle), (middle, right), strict=True):
            done.append((a[good], b[good], h[good], w[good], n[good]))
        if good.all():
            break
        left, right = (
            np.concatenate([left[~good], middle[~good]]),
            np.concatenate([middle[~good], right[~good]]),
        )
        nodes = np.concatenate([n[~good] for n, _ in halves])
        widths = np.concatenate([w[~good] for _, w in halves])
        heights = np.concatenate([h[~good] for h in fine])
    else:
        raise ConvergenceError(
            "the integral over tau does not settle", last=total, where="bayes_random_effects"
        )
    return _normalised(model, low, top, done)


def _normalised(
    model: _Model, low: float, top: float, done: list[tuple[Floats, ...]]
) -> tuple[Panels, Floats, Floats]:
    left, right, heights, widths, nodes = (np.concatenate(parts) for parts in zip(*done, strict=True))
    order = np.argsort(left)
    left, right, heights, widths, nodes = (a[order] for a in (left, right, heights, widths, nodes))
    mass = np.exp(heights - top) * widths
    at_zero = float(model.given(np.zeros(1))[2][0])
    below = model.prior.cdf(math.exp(low)) * math.exp(at_zero - top)
    total = float(mass.sum()) + below
    panels = Panels(
        edges=np.concatenate([left, right[-1:]]),
        mass=mass.sum(axis=1) / total,
        below=below / total,
        log_height=model.log_height,
        log_total=top + math.log(total),
    )
    share = np.concatenate([[below / total], mass.ravel() / total])
    tau = np.concatenate([[0.0], np.exp(nodes.ravel())])
    keep = share > NOTHING
    return panels, tau[keep], share[keep] / share[keep].sum()


def _result(
    model: _Model,
    panels: Panels,
    tau: Floats,
    probability: Floats,
    measure: str,
    level: float,
    labels: tuple[str, ...],
) -> BayesFit:
    v, k, prior = model.v, len(model.v), model.prior
    mean, sd, _ = model.given(tau)
    variance = tau * tau
    mu = Mixture(probability=probability, mean=mean, sd=sd)
    new = Mixture(probability=probability, mean=mean, sd=np.sqrt(sd * sd + variance))
    pull = v / (v + variance[:, None])
    theta = Mixture(
        probability=probability,
        mean=model.y + pull * (mean[:, None] - model.y),
        sd=np.sqrt(pull * variance[:, None] + (pull * sd[:, None]) ** 2),
    )
    falls = k - (model.centre is None) + prior.tail  # the posterior density of tau falls like tau**-falls
    tails = ((1 - level) / 2, (1 + level) / 2)
    tau_mean, tau_sd = _moments(probability, tau, np.zeros_like(tau))
    mu_mean, mu_sd = _moments(probability, mean, sd)
    _, pi_sd = _moments(probability, mean, new.sd)
    theta_mean, theta_sd = _moments(probability, theta.mean, theta.sd)
    w = 1 / (v + variance[:, None])
    extra = 0.0 if model.centre is None else model.centre[1] ** -2
    (ci_low,), (ci_high,), (median,) = (mu.quantile(p) for p in (*tails, 0.5))
    (pi_low,), (pi_high,) = (new.quantile(p) for p in tails)
    heavy = falls <= 3 and model.centre is None
    said = ("the posterior of tau has no variance: infinite moments",) if falls <= 3 else ()
    return BayesFit(
        yi=model.y,
        vi=v,
        measure=measure,
        labels=labels,
        level=level,
        prior_tau=prior.name,
        prior_mu=model.centre,
        mu=float(median),
        mu_mean=float(mu_mean),
        mu_sd=math.inf if heavy else float(mu_sd),
        ci_low=float(ci_low),
        ci_high=float(ci_high),
        tau=panels.quantile(0.5),
        tau_mean=float(tau_mean) if falls > 2 else math.inf,
        tau_sd=float(tau_sd) if falls > 3 else math.inf,
        tau_low=panels.quantile(tails[0]),
        tau_high=panels.quantile(tails[1]),
        pi_low=float(pi_low),
        pi_high=float(pi_high),
        pi_sd=float(pi_sd) if falls > 3 else math.inf,
        theta=frozen(theta.quantile(0.5)),
        theta_mean=frozen(theta_mean),
        theta_sd=frozen(theta_sd),
        theta_low=frozen(theta.quantile(tails[0])),
        theta_high=frozen(theta.quantile(tails[1])),
        shrinkage=frozen(probability @ pull),
        weights=frozen(100 * (probability @ (w / (w.sum(axis=1) + extra)[:, None]))),
        bf_tau0=_bf_tau0(model, panels),
        bf_mu0=_bf_mu0(model, panels),
        log_evidence=panels.log_total if prior.proper and model.centre is not None else math.nan,
        effect_posterior=mu,
        predictive=new,
        prior_density=model.prior.r_density,
        prior_upper=model.prior.upper,
        tau_posterior=panels,
        warnings=said,
    )


def _moments(probability: Floats, mean: Floats, sd: Floats) -> tuple[Any, Any]:
    """Mean and standard deviation of mixtures."""
    centre = probability @ mean
    return centre, np.sqrt(probability @ (sd * sd + (mean - centre) ** 2))


def _bf_tau0(model: _Model, panels: Panels) -> float:
    """Likelihood at tau = 0 over its mean under the prior; a flat prior of mu is the same in both."""
    if not model.prior.proper:
        return math.nan
    return math.exp(float(model.given(np.zeros(1))[2][0]) - panels.log_total)


def _bf_mu0(model: _Model, panels: Panels) -> float:
    """Evidence with mu = 0 over evidence with the prior of mu."""
    if model.centre is None or not model.prior.proper:
        return math.nan
    null = _Model(model.y, model.v, model.prior, (0.0, 1e-9 * math.sqrt(float(model.v.min()))))
    return math.exp(_integrate(null)[0].log_total - panels.log_total)
