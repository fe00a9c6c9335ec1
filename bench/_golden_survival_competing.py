"""Golden cases of competing risks: cumulative incidence with its variance, Gray's test, Fine and Gray's regression."""

from __future__ import annotations

from bench.golden_survival import Case, Row, number
from kmeta.methods.survival import cumulative_incidence, fine_gray, gray_test


def competing(case: Case, file: Case) -> list[Row]:
    """Every number of cuminc, its tests, and crr of the second group in sorted order against the first, cause 1."""
    given, wanted, tolerance = case["input"], case["expect"], float(file["tolerance"])
    time, status, group = given["time"], given["status"], [str(label) for label in given["group"]]
    fit = cumulative_incidence(time, status, group=group)
    rows: list[Row] = []
    for name, values, variances in zip(wanted["rows"], wanted["cif"], wanted["var"], strict=True):
        label, cause = name.rsplit(" ", 1)
        for row in fit.curve(cause, label).at(case["times"]):
            at = f"{row['time']:g}"
            rows.append((f"{name} at {at}", row["incidence"], number(values[at]), tolerance))
            rows.append((f"var {name} at {at}", row["se"] ** 2, number(variances[at]), tolerance))
    tests = gray_test(time, status, group)
    for i, cause in enumerate(tests.causes):
        rows.append((f"Gray {cause}", float(tests.chi2[i]), number(wanted["gray_test"][i]), tolerance))
        rows.append((f"Gray p {cause}", float(tests.p[i]), number(wanted["gray_p"][i]), tolerance))
    second = str(sorted(set(given["group"]))[1])
    shr = fine_gray(time, status, {second: [float(label == second) for label in group]}, cause=1)
    rows.append(("log shr", float(shr.coef[0]), number(wanted["finegray_log_shr"]), tolerance))
    rows.append(("se", float(shr.se[0]), number(wanted["finegray_se"]), tolerance))
    return rows


FILES = {"competing_risks.json": competing}
