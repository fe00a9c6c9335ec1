"""The maximum of the partial likelihood of checked data."""

from __future__ import annotations

from functools import partial

import numpy as np

from kmeta.core.arrays import Floats
from kmeta.methods.survival.cox_data import CoxData
from kmeta.methods.survival.cox_exact import exact_derivatives
from kmeta.methods.survival.cox_likelihood import Derivatives
from kmeta.methods.survival.cox_newton import Summit, climb


def maximise(data: CoxData) -> Summit:
    """The maximum over the coefficients of the standard covariates; raises as `climb`."""
    sets = data.risk_sets
    standard, scale = data.standard
    x = standard[:, sets.order]
    ask = partial(exact_derivatives, sets) if data.ties == "exact" else sets.derivatives

    def at(beta: Floats) -> Derivatives:
        with np.errstate(all="ignore"):  # a step too far is not finite, and is halved
            return ask(x, beta @ x)

    return climb(at, x, data.terms, scale)
