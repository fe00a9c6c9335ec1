"""Which switches a selection and its model have; a sensitivity analysis is the same question under another policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kmeta.review.protocol import Treatment

Switch = Literal["drop", "keep"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The switches of the rules and of the model; the defaults are those of the product.

    overlaps: "drop" heeds certain and likely overlaps, "drop_possible" possible ones too, "keep" none.
    matched: "if_n_fits" keeps figures of matched patients where the arm's n is theirs; "drop" and "keep" all of them.
    origins: time origins wanted, in order of preference; None: those of the protocol.
    years: "protocol" heeds the window of the analysis or the protocol; "all" heeds none.
    least_n: arms with fewer patients are left out. only: treatments wanted. set_aside: studies left out by name.
    sample: "effective" takes the sample size that a printed interval or number at risk stands for, "n" the arm's n.
    model: "multilevel" nests arms in studies where a study gives several; "plain" treats every arm as a study.
    tau2, test: None takes the analysis' own. prediction: the reference of the prediction interval as `random_effects`
    names it; "test" has the degrees of freedom of the test, "riley" k - 2 (Higgins, Thompson & Spiegelhalter 2009,
    doi:10.1111/j.1467-985X.2008.00552.x).
    """

    overlaps: Literal["keep", "drop", "drop_possible"] = "drop"
    matched: Literal["if_n_fits", "drop", "keep"] = "if_n_fits"
    completers: Switch = "drop"
    subgroups: Switch = "drop"
    derived: Switch = "drop"
    placebo: Switch = "drop"
    second_hand: Switch = "keep"
    inferred: Switch = "keep"
    origins: tuple[str, ...] | None = None
    years: Literal["protocol", "all"] = "protocol"
    least_n: int = 0
    only: tuple[Treatment, ...] = ()
    set_aside: tuple[str, ...] = ()
    sample: Literal["effective", "n"] = "effective"
    model: Literal["multilevel", "plain"] = "multilevel"
    tau2: str | None = None
    test: str | None = None
    prediction: Literal["test", "z", "t", "riley"] = "test"


DEFAULT = Policy()

# The simple rule of an orientation table: no overlap is heeded, every n is taken as it stands.
ORIENTATION = Policy(
    overlaps="keep",
    completers="keep",
    placebo="keep",
    derived="keep",
    origins=("treatment", "transplantation", "randomisation"),
    years="all",
    sample="n",
    model="plain",
    tau2="DL",
    test="z",
    prediction="riley",
)
