"""Golden cases of maic.json: weights and effective sample size, from maicplus."""

from __future__ import annotations

import numpy as np

from bench.golden_survival import Case, Row
from kmeta.methods.adjustment import maic


def weights(case: Case, file: Case) -> list[Row]:
    """Weights rescaled to sum n, relative; the effective size; the weighted means, at least as near to 0."""
    expect = case["expect"]
    found = maic(case["input"]["centred"], dict.fromkeys(case["covariates"], 0.0))
    ours = found.weights / found.weights.sum() * expect["n"]
    after = max(abs(row["after"]) for row in found.balance)
    rows: list[Row] = [
        ("ess", found.ess, expect["ess"], file["tolerance"]["ess"]),
        ("n", float(found.n), float(expect["n"]), 0.0),
        ("largest weighted mean", after, 0.0, max(expect["max_abs_weighted_mean"], 1e-9)),
    ]
    pairs = zip(np.asarray(ours).tolist(), expect["weights"], strict=True)
    return rows + [(f"weight {i}", w, wanted, 1e-3 * wanted) for i, (w, wanted) in enumerate(pairs)]


FILES = {"maic.json": weights}
