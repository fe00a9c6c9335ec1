"""analysis.R: one script that repeats the pooled numbers in R with metafor, the data inside it."""

from __future__ import annotations

import math
from collections.abc import Iterator

from kmeta.methods.meta.random_effects import MetaFit
from kmeta.methods.synthesis.result import Pool, Synthesis
from kmeta.report.contents import Contents
from kmeta.report.document import clean
from kmeta.report.pooled import all_pools

# Our names of tests -> metafor's; "adhoc" is Knapp and Hartung's with the lower bound.
_TESTS = {"hksj": "adhoc", "adhoc": "adhoc", "knha": "knha", "z": "z", "t": "t"}
_BACK = {
    "PLO": "transf.ilogit",
    "HR": "exp",
    "OR": "exp",
    "RR": "exp",
    "IRR": "exp",
    "PLN": "exp",
    "MSR": "exp",
}

_HEAD = """\
# Repeats the pooled numbers of this review in R with the package metafor (3.8 or newer).
# Run: Rscript analysis.R
# Each block prints what R finds ("R") above what kmeta found ("kmeta"); the last line says whether all agree.

suppressPackageStartupMessages(library(metafor))

largest <- 0
show <- function(name, fit, back, kmeta) {
  if (inherits(fit, "try-error")) { cat("\\n", name, ": R gave no result\\n", sep = ""); return(invisible()) }
  p <- predict(fit)
  found <- c(back(c(p$pred, p$ci.lb, p$ci.ub, p$pi.lb, p$pi.ub)), sum(fit$tau2))
  known <- is.finite(kmeta)
  largest <<- max(largest, abs(found[known] - kmeta[known]))
  cat("\\n", name, "\\n", sep = "")
  print(rbind(R = found, kmeta = kmeta), digits = 5)
}
columns <- c("estimate", "ci_low", "ci_high", "pi_low", "pi_high", "tau2")
"""
_TAIL = """
cat("\\nLargest difference between R and kmeta:", signif(largest, 2), "\\n")
cat(if (largest < 1e-3) "All pooled numbers agree.\\n" else "NOT all pooled numbers agree: look above.\\n")
"""


def to_r(contents: Contents) -> bytes:
    """The script."""
    blocks = [block for synthesis in contents.syntheses for block in _blocks(synthesis)]
    return (_HEAD + "".join(blocks) + _TAIL).encode()


def _blocks(synthesis: Synthesis) -> Iterator[str]:
    for pool in all_pools(synthesis):
        if pool.fit is not None:
            name = f"{synthesis.name}: {pool.title or pool.name}"
            yield _block(name, pool.fit, _labels(pool, pool.fit))
        for other in pool.sensitivity:
            if other.fit is not None:
                name = f"{synthesis.name}: {pool.title or pool.name}; {other.label}"
                yield _block(name, other.fit, [])


def _labels(pool: Pool, fit: MetaFit) -> list[str]:
    labels = [line.label for line in pool.lines if line.pooled]
    return labels if len(labels) == fit.k else []


def _block(name: str, fit: MetaFit, labels: list[str]) -> str:
    data = [f"yi = {_vector(fit.yi.tolist())}", f"vi = {_vector(fit.vi.tolist())}"]
    if labels:
        data.append(f"study = c({', '.join(r_string(label) for label in labels)})")
    test = _TESTS.get(fit.test, "z") if fit.k > 1 else "z"
    method = fit.method if fit.k > 1 else "EE"
    (low, high), (pi_low, pi_high) = fit.effect_ci, fit.effect_pi
    ours = _vector([fit.effect, low, high, pi_low, pi_high, fit.tau2])
    inside = ",\n  ".join(data)
    return (
        f"\n# {clean(name)}\n"
        f"data <- data.frame(\n  {inside})\n"
        f"fit <- try(rma(yi, vi, data = data, method = {r_string(method)}, test = {r_string(test)}, "
        f"level = {_number(100 * fit.level)}), silent = TRUE)\n"
        f"show({r_string(name)}, fit, {_BACK.get(fit.measure, 'identity')}, "
        f"setNames({ours}, columns))\n"
    )


def _vector(values: list[float]) -> str:
    return f"c({', '.join(_number(value) for value in values)})"


def _number(value: float) -> str:
    """A number as R reads it back exactly.

    >>> _number(0.1), _number(float("nan")), _number(float("inf"))
    ('0.1', 'NA', 'Inf')
    """
    if math.isnan(value):
        return "NA"
    if math.isinf(value):
        return "Inf" if value > 0 else "-Inf"
    return repr(float(value))


def r_string(text: str) -> str:
    """`text` as an R string in ASCII, so that no locale can misread it.

    >>> print(r_string('Müller "x"'))
    "M\\\\u00fcller \\\\"x\\\\""
    """
    done = clean(text).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if " " <= c <= "~" else _escaped(c) for c in done) + '"'


def _escaped(letter: str) -> str:
    number = ord(letter)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"
