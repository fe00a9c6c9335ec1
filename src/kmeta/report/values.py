"""Every number a sentence may print, by the id under which results.json keeps it."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from kmeta.core.errors import InputError
from kmeta.core.numbers import MISSING, count, interval
from kmeta.methods.meta.random_effects import MetaFit
from kmeta.methods.synthesis.result import Line, Pool, Synthesis
from kmeta.report.contents import Contents
from kmeta.report.document import Run
from kmeta.report.words import number_of
from kmeta.review.estimate import Comparison, Estimate

Form = Callable[[Any], str]


def slug(text: str) -> str:
    """A name as part of an id: no spaces, no slashes.

    >>> slug("OS at 5 years/all")
    'OS-at-5-years-all'
    """
    return re.sub(r"[\s/]+", "-", text.strip()) or "-"


def pool_id(synthesis: Synthesis, pool: Pool) -> str:
    """`os_60/resection`: the prefix of the ids of a pool's numbers."""
    return f"{slug(synthesis.name)}/{slug(pool.name)}"


def line_ids(at: str, pool: Pool) -> list[tuple[str, Line]]:
    """The rows of a pool with the prefix of their ids; a second value of one arm gets a number."""
    seen: Counter[str] = Counter()
    found = []
    for line in (*pool.lines, *pool.apart):
        key = f"{at}/{slug(line.study_id)}/{slug(line.arm_id)}"
        seen[key] += 1
        found.append((key if seen[key] == 1 else f"{key}/{seen[key]}", line))
    return found


class Values:
    """id -> number. `run` prints one into a sentence and leaves its id there."""

    def __init__(self, contents: Contents) -> None:
        self.known: dict[str, Any] = {}
        for synthesis in contents.syntheses:
            self._synthesis(synthesis)
        self._flow(contents)
        self._evidence(contents)
        self._findings(contents)
        for i, line in enumerate(contents.beside, start=1):
            at = f"beside/{i}"
            self.put(f"{at}/difference", line.difference)
            self.put(f"{at}/published", line.published.estimate)
            self.put(f"{at}/published_patients", line.published.n_patients)
            self.put(f"{at}/inside_ci", line.published_inside_ci)
            self.put(f"{at}/inside_pi", line.published_inside_pi)

    def put(self, key: str, value: Any) -> str:
        """Keep `value` under `key`; the same key may not come to mean another value."""
        if key in self.known and not _same(self.known[key], value):
            raise InputError(
                f"two values are called {key!r}: {self.known[key]!r} and {value!r}",
                where="report",
                hint="give each analysis and each pool its own name",
            )
        self.known[key] = value
        return key

    def run(self, key: str, form: Form = count, *, unit: str = "", bold: bool = False) -> Run:
        """The value called `key`, printed by `form`, as a run that knows where it is from."""
        printed = form(self.known[key])
        return Run(printed if printed == MISSING else printed + unit, bold=bold, results=(key,))

    def new(self, key: str, value: Any, form: Form = count, *, unit: str = "") -> Run:
        """A number a section worked out itself: kept under `key`, and printed."""
        return self.run(self.put(key, value), form, unit=unit)

    def counted(self, key: str, one: str, many: str = "") -> Run:
        """`1 study`, `8 studies`: a count with its noun."""
        return self.run(key, lambda n: number_of(n, one, many))

    def interval(self, at: str, form: Form, *, kind: str = "ci") -> Run:
        """`68–79` from `<at>/<kind>_low` and `<at>/<kind>_high`."""
        keys = (f"{at}/{kind}_low", f"{at}/{kind}_high")
        low, high = (form(self.known[key]) for key in keys)
        return Run(MISSING if MISSING in (low, high) else interval(low, high), results=keys)

    def _synthesis(self, synthesis: Synthesis) -> None:
        at = slug(synthesis.name)
        plan: Mapping[str, Any] = {
            "time_months": synthesis.plan.time_months,
            "window_months": synthesis.plan.window_months,
            "level": synthesis.plan.level,
            "year_from": synthesis.plan.year_from,
            "year_to": synthesis.plan.year_to,
            "outcomes": len(synthesis.plan.outcomes),
        }
        for name, value in plan.items():
            self.put(f"{at}/plan/{name}", value)
        self.put(f"{at}/excluded", len(synthesis.excluded))
        self.put(f"{at}/out_of_scope", len(synthesis.out_of_scope))
        for rule, n in Counter(e.rule for e in synthesis.excluded).items():
            self.put(f"{at}/excluded/{slug(rule)}", n)
        for pool in (*synthesis.pools, *((synthesis.overall,) if synthesis.overall else ())):
            self._pool(pool_id(synthesis, pool), pool)

    def _pool(self, at: str, pool: Pool) -> None:
        self.put(f"{at}/k", pool.k)
        self.put(f"{at}/k_studies", pool.k_studies)
        self.put(f"{at}/n_patients", pool.n_patients)
        self._fit(at, pool.fit)
        for i, other in enumerate(pool.sensitivity, start=1):
            self.put(f"{at}/sensitivity/{i}/k", other.k)
            self.put(f"{at}/sensitivity/{i}/n_patients", other.n_patients)
            self._fit(f"{at}/sensitivity/{i}", other.fit)
        for here, line in line_ids(at, pool):
            self.put(f"{here}/estimate", line.estimate)
            self.put(f"{here}/ci_low", line.ci_low)
            self.put(f"{here}/ci_high", line.ci_high)

    def _fit(self, at: str, fit: MetaFit | None) -> None:
        for name, value in fit_numbers(fit).items():
            self.put(f"{at}/{name}", value)

    def _flow(self, contents: Contents) -> None:
        flow = contents.flow
        for box in flow.boxes:
            self.put(f"flow/{box.key}", box.n)
            for part in box.parts:
                self.put(f"flow/{box.key}/{slug(part.label)}", part.n)
        for name in ("n_studies", "n_reports", "n_arms", "n_estimates", "n_comparisons"):
            self.put(f"flow/{name}", getattr(flow, name))

    def _evidence(self, contents: Contents) -> None:
        evidence = contents.evidence
        for name in ("studies", "arms", "estimates", "comparisons", "overlaps", "records", "criteria"):
            self.put(f"evidence/{name}", len(getattr(evidence, name)))
        printed: tuple[Estimate | Comparison, ...] = (*evidence.estimates, *evidence.comparisons)
        self.put("evidence/values", len(printed))
        self.put("evidence/second_hand", sum(value.second_hand for value in printed))
        self.put("eligibility/year_from", contents.protocol.eligibility.year_from)
        self.put("eligibility/year_to", contents.protocol.eligibility.year_to)

    def _findings(self, contents: Contents) -> None:
        self.put("findings", len(contents.findings))
        for severity in ("error", "warning", "note"):
            self.put(f"findings/{severity}", sum(f.severity == severity for f in contents.findings))
        self.put("findings/checks", len({f.check for f in contents.findings}))


def fit_numbers(fit: MetaFit | None) -> dict[str, float | int | None]:
    """The numbers of a model that tables print: effect and intervals on the scale people read."""
    if fit is None:
        return {}
    (low, high), (pi_low, pi_high) = fit.effect_ci, fit.effect_pi
    return {
        "effect": fit.effect,
        "ci_low": low,
        "ci_high": high,
        "pi_low": pi_low,
        "pi_high": pi_high,
        "tau2": fit.tau2,
        "tau2_low": fit.tau2_low,
        "tau2_high": fit.tau2_high,
        "i2": fit.i2,
        "q": fit.q,
        "q_df": fit.q_df,
        "q_p": fit.q_p,
        "p_value": fit.p_value,
        "level": fit.level,
    }


def _same(a: Any, b: Any) -> bool:
    both_nan = isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b)
    return bool(both_nan or a == b)
