"""Sampling variances with averages over studies (`vtype`) against escalc of metafor 3.8-1, R 4.2.2.

Of every measure it has "AV" for: RD, SMD, SMD1, ROM, COR, PR, PLN, PLO. For others escalc leaves the option unread and
gives the large-sample variance without a word (RR, IR, IRLN ...), or stops; here each of them is refused.
"""

import numpy as np
import pytest

import kmeta as km
from kmeta.core.errors import InputError

N1, N2 = [20, 31, 15, 60, 12], [21, 30, 16, 55, 14]
TABLE = {"ai": [4, 6, 3, 20, 0], "n1i": N1, "ci": [8, 3, 6, 30, 2], "n2i": N2}
MEANS = {"m1i": [10, 12, 9, 11, 8], "sd1i": [2, 3, 2.5, 2, 3], "n1i": N1}
MEANS |= {"m2i": [8, 11, 9.5, 9, 7], "sd2i": [2.5, 2, 3, 2, 2], "n2i": N2}
SHARES = {"xi": TABLE["ai"], "ni": N1}
PAIRS = {"ri": [0.3, 0.5, -0.1, 0.2, 0.4], "ni": N1}
PEER = [
    ("RD", "AV", TABLE, "0.0201350009455 0.0135929383471 0.0266177332479 0.00724446041783 0.0294553894308"),
    ("SMD", "AV", MEANS, "0.102753378823 0.0690423417737 0.135957233743 0.0366789855387 0.162858350123"),
    ("SMD1", "AV", MEANS, "0.10812149186 0.0729431088183 0.142951124733 0.0388585090133 0.170515571124"),
    ("SMD1", "UB", MEANS, "0.113834910655 0.0699408985656 0.13010968705 0.0441518268271 0.164585444245"),
    (
        "ROM",
        "AV",
        MEANS,
        "0.00542992428333 0.00365965999158 0.00718045083277 0.00194832696282 0.00857428811219",
    ),
    (
        "ROM",
        "AVHO",
        MEANS,
        "0.00542920014227 0.00364794407671 0.00718375872483 0.00193814018383 0.00860726851823",
    ),
    ("COR", "AV", PAIRS, "0.045412345679 0.0287611522634 0.0616310405644 0.0146243147102 0.0784395061728"),
    (
        "PR",
        "AV",
        SHARES,
        "0.00914613632835 0.00590073311506 0.0121948484378 0.00304871210945 0.0140709789667",
    ),
    (
        "PR",
        "UB",
        SHARES,
        "0.00842105263158 0.00520291363163 0.0114285714286 0.00376647834275 0.00308185404339",
    ),
    ("PLN", "AV", SHARES, "0.157462686567 0.101588830043 0.209950248756 0.0524875621891 0.242250287026"),
    ("PLO", "AV", SHARES, "0.273339463818 0.176348041173 0.364452618424 0.0911131546061 0.420522252028"),
]


@pytest.mark.parametrize(
    ("measure", "vtype", "columns", "wanted"), PEER, ids=[f"{m} {v}" for m, v, *_ in PEER]
)
def test_variances_with_averages_are_those_of_the_peer(measure, vtype, columns, wanted):
    found = km.effect_sizes(measure, **columns, vtype=vtype)
    np.testing.assert_allclose(found.vi, np.array(wanted.split(), dtype=float), rtol=1e-11)
    np.testing.assert_array_equal(found.yi, km.effect_sizes(measure, **columns).yi)


def test_a_study_without_an_estimate_is_not_in_the_average():
    """log(-1 / 2) is no number: the other studies have the variances they have without it. escalc averages it in."""
    more = {name: [*values, values[0]] for name, values in MEANS.items()} | {"m1i": [*MEANS["m1i"], -1]}
    for vtype in ("AV", "AVHO"):
        found = km.effect_sizes("ROM", **more, vtype=vtype)
        assert np.isnan(found.vi[5])
        np.testing.assert_array_equal(found.vi[:5], km.effect_sizes("ROM", **MEANS, vtype=vtype).vi)


TIME = {"x1i": [4, 6], "t1i": [20, 30], "x2i": [8, 3], "t2i": [21, 30]}
WITHOUT = [(m, TABLE) for m in ("OR", "RR", "AS", "PETO", "PHI", "YUQ", "YUY", "OR2DN", "OR2DL", "PBIT")]
WITHOUT += [(m, TIME) for m in ("IRR", "IRD", "IRSD")] + [(m, MEANS) for m in ("MD", "SMDH", "CVR", "VR")]
WITHOUT += [(m, {"xi": [4, 6], "ti": [20, 30]}) for m in ("IR", "IRLN", "IRS", "IRFT")] + [("ZCOR", PAIRS)]
WITHOUT += [(m, SHARES) for m in ("PAS", "PFT", "PRZ")]
WITHOUT += [(m, {"mi": [4, 6], "sdi": [1, 2], "ni": [9, 9]}) for m in ("MN", "MNLN", "CVLN", "SDLN", "SMN")]


@pytest.mark.parametrize(("measure", "columns"), WITHOUT, ids=[measure for measure, _ in WITHOUT])
def test_a_measure_without_averages_says_so(measure, columns):
    with pytest.raises(InputError, match=f"{measure} has no vtype 'AV'") as error:
        km.effect_sizes(measure, **columns, vtype="AV")
    assert error.value.where == "vtype"
    assert "LS" in error.value.hint
