"""analysis.R: one script that repeats every pooled number in R with metafor, the data inside it."""

from __future__ import annotations

import math
from collections.abc import Iterator

from kmeta.core.errors import InputError
from kmeta.methods.meta.fit import MetaFit
from kmeta.methods.synthesis.result import Synthesis
from kmeta.report.contents import Contents
from kmeta.report.document import clean
from kmeta.report.pooled import all_pools

_HEAD = """\
# Repeats the pooled numbers of this review in R with the package metafor (3.8 or newer).
# Run: Rscript analysis.R
# Each block fits one model and sets what R finds above what kmeta found, on the analysis scale (log, logit);
# the last lines say how far the two are apart.

suppressPackageStartupMessages(library(metafor))

apart <- c()
compare <- function(name, res, pi, kmeta) {
  tau2 <- if (inherits(res, "rma.mv")) sum(res$sigma2) else res$tau2
  found <- c(coef(res), res$ci.lb, res$ci.ub, pi, tau2)
  known <- is.finite(kmeta)
  apart[name] <<- max(abs(found - kmeta)[known] / pmax(1, abs(kmeta[known])))
  cat("\\n", name, "\\n", sep = "")
  both <- rbind(R = found, kmeta = kmeta)
  colnames(both) <- c("estimate", "ci_low", "ci_high", "pi_low", "pi_high", "tau2")
  print(both, digits = 6)
}
"""
_TAIL = """
cat("\\nModels:", length(apart), "\\n")
if (length(apart)) {
  cat("Largest relative difference:", signif(max(apart), 2), "in", names(which.max(apart)), "\\n")
  cat(if (max(apart) < 1e-4) "All pooled numbers agree.\\n" else "NOT all pooled numbers agree.\\n")
}
"""


def to_r(contents: Contents) -> bytes:
    """The script. A model that metafor does not have is named in a comment."""
    blocks = [block for synthesis in contents.syntheses for block in _blocks(synthesis)]
    return (_HEAD + "".join(blocks) + _TAIL).encode()


def _blocks(synthesis: Synthesis) -> Iterator[str]:
    for pool in all_pools(synthesis):
        name = f"{synthesis.name}: {pool.title or pool.name}"
        if pool.fit is not None:
            yield _block(name, pool.fit)
        for other in pool.sensitivity:
            if other.fit is not None:
                yield _block(f"{name}; {other.label}", other.fit)


def _block(name: str, fit: MetaFit) -> str:
    try:
        script = fit.r_script()
    except InputError as error:
        return f"\n# {clean(name)}: not repeated here, {clean(error.message)}\n"
    kept = [
        line for line in script.split("\n") if line and not line.startswith(("library(", "print(", "pi  #"))
    ]
    if math.isnan(fit.pi_low):
        kept.append("pi <- c(NA, NA)")
    ours = ", ".join(
        _number(value) for value in (fit.mu, fit.ci_low, fit.ci_high, fit.pi_low, fit.pi_high, fit.tau2)
    )
    inside = "\n".join(f"  {line}" for line in kept)
    return f"\nlocal({{\n{inside}\n  compare({r_string(name)}, res, pi, c({ours}))\n}})\n"


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
    r"""`text` as an R string in ASCII, so that no locale can misread it.

    >>> print(r_string("Müller"))
    "M\u00fcller"
    """
    done = clean(text).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if " " <= c <= "~" else _escaped(c) for c in done) + '"'


def _escaped(letter: str) -> str:
    number = ord(letter)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"
