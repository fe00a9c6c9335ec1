"""Trials of other shapes than the given cases, read by other readers: what the choices are checked on.

Survival is Weibull, log-normal, piecewise or with a cured share, deaths in continuous time or found at visits;
censoring is staggered entry over an accrual period with a fixed end, with drop-out. The readers stand in for a pixel
trace, clicks of a hand, and what hands do wrong.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

import kmeta as km

SEED = 20260
TRIALS = 24
READERS = ("pixels", "jitter", "hand25", "before", "midstep", "every-column", "percent", "incidence", "exact")


def trials() -> Iterator[dict[str, Any]]:
    """The simulated trials, in the shape of the given cases."""
    for one in range(TRIALS):
        random = np.random.default_rng([SEED, one])
        yield trial(random, f"simulated {one}")


def trial(random: np.random.Generator, name: str) -> dict[str, Any]:
    """One two-arm trial with its readings and truth."""
    kind = ("weibull", "log-normal", "cure", "piecewise")[int(random.integers(4))]
    visits = bool(random.random() < 0.25)
    follow = float(random.choice([24.0, 36.0, 60.0, 120.0]))
    accrual = follow * float(random.uniform(0.1, 0.95))
    drop_out = float(random.choice([0.0, 0.1, 0.3])) / follow
    total = int(random.choice([80, 160, 300, 600, 1200]))
    scale = follow * float(random.uniform(0.25, 1.2))
    shape = float(random.uniform(0.7, 1.6))
    ratio = math.exp(float(random.normal(-0.25, 0.3)))
    ratio_of_arms = float(random.choice([1.0, 1.0, 2.0]))
    sizes = (round(total / (1 + ratio_of_arms)), round(total * ratio_of_arms / (1 + ratio_of_arms)))
    people = []
    for size, hazard in zip(sizes, (1.0, ratio), strict=True):
        death = deaths(random, kind, size, scale, shape, hazard)
        if visits:
            death = np.ceil(death / (follow / 20)) * (follow / 20) + random.uniform(0, follow / 400, size)
        leave = np.minimum(follow - accrual * random.uniform(0, 1, size), lost(random, size, drop_out))
        people.append((np.minimum(death, leave), (death <= leave).astype(float)))
    arms = [arm(random, t, d, follow, f"arm {i}") for i, (t, d) in enumerate(people)]
    return {"id": name, "arms": arms, "truth": contrast(people)}


def lost(random: np.random.Generator, size: int, rate: float) -> np.ndarray:
    """Times of drop-out."""
    return random.exponential(1 / rate, size) if rate > 0 else np.full(size, np.inf)


def deaths(
    random: np.random.Generator, kind: str, size: int, scale: float, shape: float, hazard: float
) -> np.ndarray:
    """Times of death under proportional hazards (log-normal: accelerated)."""
    spent = random.exponential(1, size) / hazard
    if kind == "weibull":
        return scale * spent ** (1 / shape)
    if kind == "log-normal":
        return scale * np.exp(random.normal(0, 1, size)) / hazard
    if kind == "cure":
        with np.errstate(divide="ignore"):
            left = -np.log(np.maximum((np.exp(-spent) - 0.35) / 0.65, 0.0))
        return scale * 0.6 * left
    return scale * np.where(spent < 0.5, spent / 1.6, 0.5 / 1.6 + (spent - 0.5) / 0.7)


def arm(
    random: np.random.Generator, t: np.ndarray, d: np.ndarray, follow: float, name: str
) -> dict[str, Any]:
    """One arm: readings, table, truth."""
    fit = km.kaplan_meier(t, d).curves[0]
    end = float(t.max())
    step = nice(follow / 7)
    at = np.arange(0, end + 1e-9, step)
    median = fit.median[0]
    tau = 0.9 * end
    grid = np.linspace(0, tau, 4001)
    rmst = float(survival(fit, (grid[1:] + grid[:-1]) / 2).mean()) * tau
    return {
        "name": name,
        "n": len(t),
        "total_events": int(d.sum()),
        "nrisk_time": at.tolist(),
        "nrisk": [int((t >= x).sum()) for x in at],
        "curves": {reader: read(random, reader, fit, follow).tolist() for reader in READERS},
        "truth": {
            "median": None if math.isnan(median) else median,
            "rmst": rmst,
            "tau": tau,
            "events": int(d.sum()),
        },
        "truth_ipd": {"time": t.tolist(), "status": d.tolist()},
    }


def nice(value: float) -> float:
    """A round distance of the times below a figure."""
    return min((1.0, 2.0, 3.0, 6.0, 12.0, 24.0), key=lambda step: abs(step - value))


def survival(fit: km.methods.survival.SurvivalCurve, at: np.ndarray) -> np.ndarray:
    """S at given times."""
    return np.append(1.0, fit.survival)[np.searchsorted(fit.time, at, side="right")]


def read(
    random: np.random.Generator, reader: str, fit: km.methods.survival.SurvivalCurve, follow: float
) -> np.ndarray:
    """The points one reader takes from a curve drawn on an axis from 0 to `follow`."""
    end = float(fit.time[-1])
    drop = fit.n_event > 0
    times, after = fit.time[drop], fit.survival[drop]
    before = np.append(1.0, after)[:-1]
    if reader == "exact":
        return np.column_stack([np.append(times, end), np.append(after, after[-1:] if len(after) else 1.0)])
    if reader in ("hand25", "midstep"):
        at = np.sort(np.append(random.uniform(0, end, 24), end))
        return jittered(random, at, survival(fit, at), follow, 500, 350, 1.0)
    if reader == "every-column":
        at = np.append(np.arange(0, end, follow / 800), end)
        return pixelled(at, survival(fit, at), follow, 800, 600)
    if reader == "before":
        return jittered(random, np.append(times, end), np.append(before, after[-1:]), follow, 700, 500, 0.5)
    points = columns(np.append(times, end), np.append(after, after[-1:]), follow, 800)
    if reader == "jitter":
        return jittered(random, points[:, 0], points[:, 1], follow, 450, 320, 0.9)
    points = pixelled(points[:, 0], points[:, 1], follow, 800, 600)
    if reader == "percent":
        points[:, 1] *= 100
    if reader == "incidence":
        points[:, 1] = 1 - points[:, 1]
    return points


def columns(t: np.ndarray, s: np.ndarray, follow: float, width: int) -> np.ndarray:
    """The last value of each pixel column."""
    place = np.round(t / follow * width)
    last = np.append(np.diff(place) > 0, True)
    return np.column_stack([t[last], s[last]])


def pixelled(t: np.ndarray, s: np.ndarray, follow: float, width: int, height: int) -> np.ndarray:
    """Rounded to pixels."""
    return np.column_stack([np.round(t / follow * width) * follow / width, np.round(s * height) / height])


def jittered(
    random: np.random.Generator,
    t: np.ndarray,
    s: np.ndarray,
    follow: float,
    width: int,
    height: int,
    sd: float,
) -> np.ndarray:
    """Rounded to pixels, with noise on both axes."""
    points = pixelled(t, s, follow, width, height)
    points[:, 0] = np.maximum(points[:, 0] + random.normal(0, sd * follow / width, len(t)), 0)
    points[:, 1] = np.clip(points[:, 1] + random.normal(0, sd / height, len(t)), 0, 1)
    return points[np.argsort(points[:, 0], kind="stable")]


def contrast(people: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    """Cox log hazard ratio (Efron), second arm against the first, by Newton's steps written out."""
    t = np.concatenate([p[0] for p in people])
    d = np.concatenate([p[1] for p in people])
    x = np.concatenate([np.full(len(p[0]), float(i)) for i, p in enumerate(people)])
    beta, information = 0.0, 1.0
    for _ in range(30):
        score, information = 0.0, 0.0
        for at in np.unique(t[d == 1]):
            tied = (t == at) & (d == 1)
            risk = t >= at
            many = int(tied.sum())
            one, other = float(x[risk].sum()), float((1 - x[risk]).sum())
            tied1 = float(x[tied].sum())
            for part in range(many):
                a = (one - part / many * tied1) * math.exp(beta)
                share = a / (a + other - part / many * (many - tied1))
                score += tied1 / many - share
                information += share * (1 - share)
        step = score / information
        beta += step
        if abs(step) < 1e-9:
            break
    return {"log_hr": beta, "se_log_hr": information**-0.5}
