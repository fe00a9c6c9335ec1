"""PyMARE's and statsmodels' CPU seconds on the data of meta_speed.py, run by the peers' own Python.

The first argument is the folder of the data. One line a work: peer, its name, the seconds.
"""

import sys
import time
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

warnings.simplefilter("ignore")
FOLDER = Path(sys.argv[1])
WORKS = {
    "one REML fit with Hartung-Knapp, k = 13": ("one", 1, 50),
    "10,000 REML fits, k = 20": ("sets", 10_000, 1),
    "REML, k = 3,000": ("large", 1, 5),
    "REML, k = 100,000": ("huge", 1, 2),
}


def seconds(work, times):
    """CPU seconds of one call, the least of three rounds."""
    work()
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        for _ in range(times):
            work()
        best = min(best, (time.process_time() - start) / times)
    return best


def pymare(y, v):
    """One REML fit, of many sets where there are columns."""
    from pymare.estimators import VarianceBasedLikelihoodEstimator

    VarianceBasedLikelihoodEstimator(method="REML").fit(y=y, v=v, X=np.ones((len(y), 1)))


def statsmodels(y, v):
    """One Paule-Mandel fit (it has no REML) with Hartung and Knapp's standard error."""
    from statsmodels.stats.meta_analysis import combine_effects

    combine_effects(y[:, 0], v[:, 0], method_re="iterated", use_t=True)


for package, call in (("PyMARE", pymare), ("statsmodels", statsmodels)):
    try:
        release = version(package)
    except PackageNotFoundError:
        continue
    for name, (file, m, times) in WORKS.items():
        if package == "statsmodels" and m > 1:
            continue  # one set at a time
        table = np.loadtxt(FOLDER / f"{file}.csv", delimiter=",", skiprows=1)
        y, v = (np.ascontiguousarray(table[:, i].reshape(m, -1).T) for i in (0, 1))
        print(
            f"{package} {release}",
            name,
            seconds(lambda y=y, v=v, call=call: call(y, v), times),
            sep="\t",
            flush=True,
        )
