"""Maximum likelihood for counts with normal random effects: integrals by adaptive Gauss-Hermite quadrature.

Study i has J groups with linear predictors eta_ij = x_ij' beta + c_ij a_i + sum_r t_ijr tau_r z_ir, z standard normal;
a_i is a parameter of the study alone. Likelihood, gradient and Hessian are sums over studies, so that everything is
O(k) in time and memory: the Hessian is an arrow whose study part is eliminated study by study.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.core.errors import ConvergenceError
from kmeta.methods.meta.count_likelihoods import Counts
from kmeta.methods.meta.quadrature import grid

STEPS = 200  # of the search for a study's mode
PATIENCE = (60, 30)  # steps, and halvings of a step
HURRY = (30, 6)  # with points that may be too few, whose steps go round: then more points, not more steps
# points tried in turn until the estimates no longer move; by number of random effects
LADDER = {1: (15, 31, 61, 121, 241, 481), 2: (9, 17, 33, 65)}
NEARLY = 1e-5  # such a change at the last rung is told as a warning
SETTLED = 1e-9  # relative change of the estimates that counts as none
LARGE = 20.0  # standard deviations on a log scale beyond which the likelihood has no maximum worth the name


@dataclass(frozen=True)
class Design:
    """`x` (k, J, p) of the common coefficients, `t` (k, J, R) of the random effects, `own` (k, J) or None of a_i."""

    counts: Counts
    x: Floats
    t: Floats
    own: Floats | None = None

    @property
    def k(self) -> int:
        """Studies."""
        return int(self.x.shape[0])

    @property
    def p(self) -> int:
        """Common coefficients."""
        return int(self.x.shape[2])

    @property
    def r(self) -> int:
        """Random effects of a study."""
        return int(self.t.shape[2])


@dataclass(frozen=True)
class Point:
    """Where the likelihood is looked at: beta then tau in `shared` (p + R,), `own` (k,) or None."""

    shared: Floats
    own: Floats | None


class Stalled(ConvergenceError):
    """No step of the last direction climbs, or steps go round; `last_point` is where, `length` that of the step."""

    def __init__(self, at: Point, length: float, why: str = "no step climbs any more") -> None:
        super().__init__(
            f"{why}, {length:.1e} from where the slopes vanish",
            last=at.shared.tolist(),
            where="glmm",
            hint="give another number of points, or another model",
        )
        self.last_point, self.length = at, length


class Boundless(ConvergenceError):
    """A standard deviation has passed LARGE, and the likelihood still rises; `deviation` is where it stands."""

    def __init__(self, at: Point, deviation: float) -> None:
        super().__init__(
            f"the likelihood still rises at a standard deviation of {deviation:.3g}",
            last=at.shared.tolist(),
            where="glmm",
            hint='method="EE" (one true effect), or report the counts',
        )
        self.deviation = deviation


@dataclass(frozen=True)
class Maximum:
    """A maximum: the point, its log-likelihood, the covariance of `shared`, and how it was reached.

    `own_se2`: variances of the studies' own parameters, with `shared` held.
    """

    at: Point
    log_likelihood: float
    covariance: Floats
    points: int
    settled: bool
    steps: int


def predictors(design: Design, at: Point) -> tuple[Floats, Floats]:
    """The fixed part of eta (k, J), and what z is multiplied with (k, J, R)."""
    fixed = design.x @ at.shared[: design.p]
    if design.own is not None and at.own is not None:
        fixed = fixed + design.own * at.own[:, None]
    return fixed, design.t * at.shared[design.p :]


def modes(design: Design, fixed: Floats, slope: Floats) -> tuple[Floats, Floats]:
    """Each study's most likely z (k, R) and the scale L there (k, R, R): L L' is the inverse of the curvature."""
    k, _, r = slope.shape
    z = np.zeros((k, r))
    height = np.full(k, -np.inf)
    step = np.zeros((k, r))
    inverse = np.tile(np.eye(r), (k, 1, 1))
    for _ in range(STEPS):
        value, first, second = (
            part[..., 0]
            for part in design.counts.curve((fixed + np.einsum("kjr,kr->kj", slope, z))[..., None])
        )
        now = value.sum(axis=1) - 0.5 * np.einsum("kr,kr->k", z, z)
        worse = now < height - 1e-10 * (1 + np.abs(height))
        if worse.any():
            step[worse] *= 0.5
            z[worse] -= step[worse]
        gradient = np.einsum("kj,kjr->kr", first, slope) - z
        curvature = np.eye(r) - np.einsum("kj,kjr,kjs->krs", second, slope, slope)
        inverse = _inverse(curvature)
        move = np.einsum("krs,ks->kr", inverse, gradient)
        size = np.abs(move).max(axis=1)
        move *= np.minimum(1.0, 3.0 / np.maximum(size, 1e-300))[:, None]
        good = ~worse
        height = np.where(good, now, height)
        step[good] = move[good]
        if not worse.any() and size.max(initial=0.0) < 1e-11 * (1 + np.abs(z).max(initial=0.0)):
            break
        z[good] += move[good]
    scale = np.linalg.cholesky(inverse) if r > 1 else np.sqrt(inverse)
    return z, np.asarray(scale, dtype=np.float64)


def _inverse(matrices: Floats) -> Floats:
    """Inverses of a stack of 1 x 1 or 2 x 2 matrices."""
    if matrices.shape[1] == 1:
        return 1 / matrices
    a, b, c, d = matrices[:, 0, 0], matrices[:, 0, 1], matrices[:, 1, 0], matrices[:, 1, 1]
    out = np.empty_like(matrices)
    out[:, 0, 0], out[:, 0, 1], out[:, 1, 0], out[:, 1, 1] = d, -b, -c, a
    return out / (a * d - b * c)[:, None, None]


def log_likelihoods(design: Design, at: Point, points: int) -> Floats:
    """Each study's log-likelihood, shape (k,)."""
    return _integrate(design, at, points)[0]


def _integrate(design: Design, at: Point, points: int) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Log-likelihood (k,), weights of the nodes (k, M), z (k, M, R), and both derivatives of the counts (k, J, M)."""
    fixed, slope = predictors(design, at)
    k, _, r = slope.shape
    if r == 0:
        value, first, second = design.counts.curve(fixed[..., None])
        total = value.sum(axis=(1, 2))
        return total, np.ones((k, 1)), np.zeros((k, 1, 0)), first, second
    centre, scale = modes(design, fixed, slope)
    nodes, log_weights = grid(points, r)
    z = centre[:, None, :] + nodes @ scale.transpose(0, 2, 1)
    value, first, second = design.counts.curve(fixed[..., None] + np.einsum("kjr,kmr->kjm", slope, z))
    spread = np.log(np.einsum("krr->kr", scale)).sum(axis=1)[:, None]
    height = value.sum(axis=1) - 0.5 * (z * z).sum(axis=2) + log_weights + spread
    top = height.max(axis=1)
    weights = np.exp(height - top[:, None])
    total = weights.sum(axis=1)
    found = top + np.log(total) - 0.5 * r * np.log(2 * np.pi)
    return found, weights / total[:, None], z, first, second


def derivatives(design: Design, at: Point, points: int) -> tuple[Floats, Floats, Floats]:
    """Log-likelihoods (k,), gradients (k, Q) and Hessians (k, Q, Q) of the studies; Q: own parameter, beta, tau.

    Posterior means of the complete-data derivatives (Louis 1982, doi:10.1111/j.2517-6161.1982.tb01203.x): exact
    where the quadrature is.
    """
    value, weights, z, first, second = _integrate(design, at, points)
    columns = [] if design.own is None else [design.own[..., None, None]]
    if design.p:
        columns.append(design.x[:, :, None, :])
    m = z.shape[1]
    parts = [np.broadcast_to(part, (*part.shape[:2], m, part.shape[3])) for part in columns]
    parts.append(design.t[:, :, None, :] * z[:, None, :, :])
    d = np.concatenate(parts, axis=3)
    score = np.einsum("kjm,kjmq->kmq", first, d, optimize=False)
    gradient = np.einsum("km,kmq->kq", weights, score)
    weighted = score * weights[..., None]
    hessian = score.transpose(0, 2, 1) @ weighted - gradient[:, :, None] * gradient[:, None, :]
    for j in range(d.shape[1]):
        bent = d[:, j] * (second[:, j] * weights)[..., None]
        hessian += d[:, j].transpose(0, 2, 1) @ bent
    return value, gradient, hessian


def by_differences(design: Design, at: Point, points: int, h: float = 2e-4) -> tuple[Floats, Floats, Floats]:
    """The same by central differences: the slopes of the approximation itself where few points are asked for."""
    q = len(at.shared) + (design.own is not None)

    def moved(*moves: tuple[int, float]) -> Floats:
        shared, own = at.shared.copy(), at.own
        for index, by in moves:
            if own is not None and index == 0:
                own = own + by
            else:
                shared[index - (design.own is not None)] += by
        return log_likelihoods(design, Point(shared, own), points)

    value = moved()
    gradient, hessian = np.empty((design.k, q)), np.empty((design.k, q, q))
    for i in range(q):
        up, down = moved((i, h)), moved((i, -h))
        gradient[:, i], hessian[:, i, i] = (up - down) / (2 * h), (up + down - 2 * value) / h**2
        for j in range(i):
            corners = moved((i, h), (j, h)) + moved((i, -h), (j, -h))
            cross = moved((i, h), (j, -h)) + moved((i, -h), (j, h))
            hessian[:, i, j] = hessian[:, j, i] = (corners - cross) / (4 * h * h)
    return value, gradient, hessian


def _arrow(
    design: Design, gradient: Floats, hessian: Floats
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """(information of `shared`, its gradient, and per study: the inverse of its own curvature, gradient, border)."""
    if design.own is None:
        blank = np.zeros(0)
        return -hessian.sum(axis=0), gradient.sum(axis=0), blank, blank, blank
    own, border = -hessian[:, 0, 0], -hessian[:, 0, 1:]
    inverse = 1 / np.maximum(own, 1e-10)
    information = -hessian[:, 1:, 1:].sum(axis=0) - np.einsum("kq,k,ks->qs", border, inverse, border)
    slope = gradient[:, 1:].sum(axis=0) - np.einsum("k,k,kq->q", gradient[:, 0], inverse, border)
    return information, slope, inverse, gradient[:, 0], border


def _step(design: Design, gradient: Floats, hessian: Floats) -> tuple[Floats, Floats | None]:
    """A Newton step that always climbs: curvatures of the wrong sign are turned round."""
    information, slope, inverse, own_slope, border = _arrow(design, gradient, hessian)
    if len(slope):
        size, axes = np.linalg.eigh(information)
        size = np.maximum(np.abs(size), 1e-10 * max(1.0, float(np.abs(size).max())))
        shared = axes @ ((axes.T @ slope) / size)
        longest = float(np.abs(shared).max())
        shared = shared * min(1.0, 2.0 / longest) if longest > 0 else shared
    else:
        shared = slope
    if design.own is None:
        return shared, None
    own = inverse * (own_slope - border @ shared)
    return shared, np.clip(own, -2.0, 2.0)


def _relative(move: Floats, at: Point) -> float:
    return float(np.abs(move / (1 + np.abs(at.shared))).max(initial=0.0))


def _length(design: Design, at: Point, gradient: Floats, hessian: Floats) -> float:
    """How far the next step goes."""
    return _relative(_step(design, gradient, hessian)[0], at)


def climb(
    design: Design,
    start: Point,
    points: int,
    *,
    exact: bool = True,
    tolerance: float = SETTLED,
    effort: tuple[int, int] = PATIENCE,
) -> tuple[Point, float, Floats, int, float]:
    """Newton from `start`: the point, its log-likelihood, the Hessian's information, steps, length of the first step.

    Raises ConvergenceError with the last iterate when it does not settle.
    """
    slopes = derivatives if exact else by_differences
    at, first = start, np.nan
    value, gradient, hessian = slopes(design, at, points)
    height = float(value.sum())
    limit, halvings = effort
    falls = 0
    for steps in range(limit):
        shared, own = _step(design, gradient, hessian)
        length = _relative(shared, at)
        first = length if steps == 0 else first
        rise = float(gradient[:, (design.own is not None) :].sum(axis=0) @ shared) + (
            0.0 if own is None else float(gradient[:, 0] @ own)
        )
        settled = length < tolerance and abs(rise) < 1e-13 * (1 + abs(height))
        if settled:
            return at, height, _arrow(design, gradient, hessian)[0], steps, first
        for _ in range(halvings):
            near = Point(at.shared + shared, None if own is None or at.own is None else at.own + own)
            value, gradient, hessian = slopes(design, near, points)
            now = float(value.sum())
            if now >= height - 1e-11 * (1 + abs(height)):
                break
            # with few points the slopes are not exactly those of the sum: near their root it may fall a little
            if exact and length < 0.2 and _length(design, near, gradient, hessian) < 0.5 * length:
                break
            shared, own = shared / 2, None if own is None else own / 2
        else:
            raise Stalled(at, length)
        falls += now < height
        at, height = near, now
        if falls > 3 and effort is HURRY:
            raise Stalled(at, length, "steps go round")
        if design.r and np.abs(at.shared[design.p :]).max() > LARGE:
            break
    else:
        raise Stalled(at, length, f"{limit} steps do not settle")
    raise Boundless(at, float(np.abs(at.shared[design.p :]).max()))


def maximise(design: Design, start: Point, points: int | None = None) -> Maximum:
    """Maximum likelihood; with `points` None as many as leave the estimates where they are.

    Raises ConvergenceError.
    """
    if design.r == 0 or points is not None:
        at, height, information, steps, _ = climb(
            design, start, points or 1, exact=design.r == 0, tolerance=SETTLED if design.r == 0 else 1e-7
        )
        return _maximum(design, at, height, information, points or 0, True, steps)
    at, total = start, 0
    settled, used = False, 0
    for used in LADDER[design.r]:
        try:
            at, height, information, steps, first = climb(
                design, at, used, effort=PATIENCE if used == LADDER[design.r][-1] else HURRY
            )
        except Stalled as stalled:
            at = stalled.last_point
            if used < LADDER[design.r][-1]:
                continue
            if stalled.length > NEARLY:
                raise
            value, gradient, hessian = derivatives(design, at, used)
            height, information = float(value.sum()), _arrow(design, gradient, hessian)[0]
            break
        total += steps
        if first < 20 * SETTLED:
            settled = True
            break
    return _maximum(design, at, height, information, used, settled, total)


def _maximum(
    design: Design, at: Point, height: float, information: Floats, points: int, settled: bool, steps: int
) -> Maximum:
    shared = at.shared.copy()
    shared[design.p :] = np.abs(shared[design.p :])
    tiny = shared[design.p :] < 1e-6
    shared[design.p :][tiny] = 0.0
    try:
        inverse = np.linalg.inv(information) if len(shared) else np.zeros((0, 0))
    except np.linalg.LinAlgError as error:
        raise ConvergenceError(
            "the information matrix has no inverse: too few events",
            last=shared.tolist(),
            where="glmm",
        ) from error
    covariance = np.asarray(inverse, dtype=np.float64)
    return Maximum(replace(at, shared=shared), height, covariance, points, settled, steps)
