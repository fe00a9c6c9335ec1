"""Measuring, wrapping, ticks, alignment: the parts of every figure."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.samples import figures as made

from kmeta.methods.survival.kaplan_meier import kaplan_meier
from kmeta.plots.figure import blank
from kmeta.plots.forest_ratio import forest_ratio, predictive_density
from kmeta.plots.forest_survival import forest_survival, published_percent
from kmeta.plots.kaplan_meier import counts_at, spread
from kmeta.plots.prisma import shown_parts
from kmeta.plots.text import clean, measure, plain, shortened, text_of, width, wrap
from kmeta.plots.ticks import linear_axis, log_axis, shortest, time_axis
from kmeta.plots.words import capital, heterogeneity, ratio_interval, tau2_text, typographic
from kmeta.review.estimate import PublishedResult
from kmeta.review.flow import Box, Count

ratios = st.floats(1e-3, 1e3)


@given(st.lists(ratios, min_size=1, max_size=30), st.lists(ratios, max_size=60))
def test_log_window_holds_what_it_must(estimates, limits):
    axis = log_axis(estimates, limits, [1.2])
    assert axis.low <= min([*estimates, 1.0]) * (1 + 1e-9)
    assert axis.high >= max([*estimates, 1.2]) * (1 - 1e-9)
    inside = sum(axis.low * (1 - 1e-9) <= v <= axis.high * (1 + 1e-9) for v in limits)
    assert inside >= 0.8 * len(limits) - 1e-9
    assert 1.0 in axis.ticks
    assert axis.low < 1 < axis.high
    assert 2 <= len(axis.ticks) <= 6
    assert list(axis.ticks) == sorted(set(axis.ticks))


@given(st.lists(st.floats(1e-250, 1e250), min_size=1, max_size=20))
def test_absurd_ratios_never_break_the_axis(estimates):
    axis = log_axis(estimates, [0.0, math.inf, math.nan])
    assert 0 < axis.low < axis.high < math.inf
    assert len(axis.ticks) <= 6


def test_windows_of_the_targets():
    rows = [row for group in made.PLACEBO_TRIALS.values() for row in group]
    limits = [v for row in rows for v in row[2:4]]
    assert log_axis([row[1] for row in rows], limits, [0.33, 0.45]).ticks == (0.125, 0.25, 0.5, 1.0, 2.0)
    tenths = log_axis([0.9, 1.1], [0.8, 1.2])
    assert all(round(10 * t) == pytest.approx(10 * t) for t in tenths.ticks)
    decades = log_axis([0.02, 30.0])
    assert set(decades.ticks) <= {0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0}


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.125, "0.125"), (2.0, "2"), (0.30000000000000004, "0.3"), (-2.5, "−2.5"), (0.0, "0")],
)
def test_ticks_have_the_shortest_decimals(value, text):
    assert shortest(value) == text


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_linear_axis_holds_its_values_on_round_ticks(values):
    axis = linear_axis(values)
    span = axis.high - axis.low
    assert axis.low <= min(values) + 1e-6 * span
    assert axis.high >= max(values) - 1e-6 * span
    steps = np.diff(axis.ticks)
    assert np.allclose(steps, steps[0])
    assert 2 <= len(axis.ticks) <= 8


@given(st.floats(0.5, 600))
def test_time_axis_ends_at_or_after_the_last_time(last):
    axis = time_axis(last)
    assert axis.high >= last - 1e-6
    assert len(axis.ticks) <= 11


@given(st.text(max_size=80), st.floats(12, 200))
def test_wrapped_lines_fit_and_lose_nothing(text, room):
    runs = plain(text)
    lines = wrap(runs, room)
    assert all(width(line) <= room + 1e-6 or len(text_of(line)) == 1 for line in lines)
    kept = "".join(text_of(line) for line in lines).replace(" ", "")
    assert kept == text_of(runs).replace(" ", "")


@given(st.text(min_size=1, max_size=200), st.floats(20, 100), st.integers(1, 3))
def test_a_limit_of_lines_is_kept_and_shown(text, room, most):
    runs = plain(text)
    lines = wrap(runs, room, most)
    assert len(lines) <= most
    if len(wrap(runs, room)) > most:
        assert text_of(lines[-1]).endswith("…")


def test_shortened_keeps_what_fits():
    assert text_of(shortened(plain("Resection"), 500)) == "Resection"
    assert text_of(shortened(plain("Resection of the primary"), 50)).endswith("…")


def test_measure_is_that_of_the_metric_twin_of_arial():
    assert measure("0.47 (0.30–0.73)", 7.5) == pytest.approx(55.0, abs=0.1)
    assert measure("TA", 10) < measure("T", 10) + measure("A", 10)


def test_clean_takes_away_what_would_break_a_line():
    assert clean("a\nb\tc\u202ed\x00e") == "a b cde"
    assert text_of(plain("¹⁷⁷Lu")) == "177Lu"
    assert plain("¹⁷⁷Lu")[0].rise > 0
    assert plain("τ² = 1")[0].rise == 0


def test_names_of_treatments_as_tables_print_them():
    assert typographic("cytoreduction >=70%") == "Cytoreduction ≥\u00a070%"
    assert capital("mTOR inhibitor") == "mTOR inhibitor"
    assert capital("177Lu-Dotatate") == "177Lu-Dotatate"


def test_ratio_limits_are_printed_as_the_estimate():
    shown = ratio_interval(0.474, 0.304, 0.726)
    assert (shown.value, shown.low, shown.high) == ("0.47", "0.30", "0.73")
    assert ratio_interval(0.5, 0.002, 9.0).low == "0.0020"
    assert ratio_interval(0.5, None, 9.0).low == ""
    assert (tau2_text(0.0), tau2_text(0.033), tau2_text(0.16)) == ("0.00", "0.033", "0.16")


def test_heterogeneity_is_one_line():
    text = heterogeneity(made.target_survival().pools[0].fit)
    assert text.startswith("*τ*² = ")
    assert "(logit); *I*² = " in text
    assert "df = 8, *P* < 0.001" in text


def numbers(figure, wanted):
    """(x, anchor) of the texts that are wanted."""
    return [(text.x, text.anchor) for text in figure.texts if "".join(r.text for r in text.runs) in wanted]


def test_dashes_of_intervals_stand_on_one_vertical():
    figure = forest_ratio(made.target_ratio())
    lows = {text.x for text in figure.texts if text_of(text.runs).startswith("(0.") and text.anchor == "end"}
    highs = {
        text.x for text in figure.texts if text_of(text.runs).startswith("–0.") and text.anchor == "start"
    }
    assert len(lows) == 1
    assert lows == highs


def test_tips_of_the_diamond_are_the_limits():
    synthesis = made.target_ratio()
    figure = forest_ratio(synthesis)
    left, right = (x for x, anchor in numbers(figure, {"0.125", "2"}) if anchor == "middle")
    low, high = synthesis.overall.fit.effect_ci
    expected = [left + (right - left) * math.log(v / 0.125) / math.log(2 / 0.125) for v in (low, high)]
    diamonds = [
        item for item in figure.items if getattr(item, "fill", "") == "pooled" and len(item.points) == 4
    ]
    tips = [(min(p[0] for p in d.points), max(p[0] for p in d.points)) for d in diamonds]
    assert any(tip == pytest.approx(expected, abs=0.05) for tip in tips)


def test_area_of_squares_is_the_weight():
    synthesis = made.target_ratio()
    figure = forest_ratio(synthesis)
    weights = sorted(line.weight for line in synthesis.overall.lines)
    squares = sorted(
        (item.points[1][0] - item.points[0][0]) / 2
        for item in figure.items
        if getattr(item, "fill", "") == "pooled"
        and len(item.points) == 4
        and item.points[0][1] == item.points[1][1]
        and item.points[1][0] - item.points[0][0] == pytest.approx(item.points[2][1] - item.points[1][1])
    )
    assert squares == pytest.approx([0.86 * w**0.5 for w in weights], abs=1e-6)


def test_rows_that_are_not_pooled_have_no_diamond_and_no_weight():
    figure = forest_survival(made.target_survival())
    words = [text_of(text.runs) for text in figure.texts]
    assert words.count("Pooled (random effects)") == 1
    assert "Two arms, 52% and 97%: not pooled" in words
    assert words.count("–") >= 2
    hollow = [item for item in figure.items if getattr(item, "outline", "") == "transplantation"]
    assert len(hollow) == 2


def test_positions_of_the_survival_target():
    """The plot of the visual target: content begins at 3 points, treatments 84 further, rows are 12.2 high."""
    figure = forest_survival(made.target_survival())
    at = {text_of(text.runs): text for text in figure.texts}
    assert at["Study"].x == pytest.approx(3)
    assert at["Treatment"].x == pytest.approx(87, abs=1)
    rows = [at["Elias 2003"].y, at["Sarmiento 2003"].y]
    assert rows[1] - rows[0] == pytest.approx(12.2)


def test_density_has_the_limits_of_the_prediction_interval():
    from scipy.stats import t

    fit = made.many_trials(12).overall.fit
    density = predictive_density(fit)
    half = t.ppf(0.975, density.df) * density.scale
    assert (density.centre - half, density.centre + half) == pytest.approx((fit.pi_low, fit.pi_high))
    assert density.height(density.centre) == 1


@given(st.lists(st.tuples(st.integers(0, 40), st.booleans()), min_size=1, max_size=60))
def test_at_risk_censored_and_events_make_n(rows):
    curve = kaplan_meier([t for t, _ in rows], [int(e) for _, e in rows]).curves[0]
    ticks = time_axis(max(t for t, _ in rows) or 1).ticks
    counts = counts_at(curve, ticks)
    for at, tick in enumerate(ticks):
        assert counts.at_risk[at] + counts.censored[at] + counts.events[at] == len(rows)
        assert counts.at_risk[at] == sum(t >= tick for t, _ in rows)


@settings(max_examples=50)
@given(st.lists(st.floats(0, 160), min_size=1, max_size=7))
def test_end_labels_keep_their_order_and_distance(wanted):
    wanted = sorted(wanted)
    placed = spread(wanted, 19, 0, 160)
    assert all(b - a >= 19 - 1e-6 for a, b in itertools.pairwise(placed))
    assume(len(wanted) > 1)
    assert placed == sorted(placed)


def test_reasons_beyond_three_are_summed():
    box = Box(
        key="excluded", title="Excluded", n=21, parts=tuple(Count(label=f"r{i}", n=i) for i in range(1, 7))
    )
    shown = shown_parts(box)
    assert [part.n for part in shown] == [6, 5, 4, 6]
    assert sum(part.n for part in shown) == box.n


@pytest.mark.parametrize(
    ("measure_", "text", "value"),
    [
        ("percent", "67", 67),
        ("percent", "36.2 %", 36.2),
        ("proportion", "0.6", 60),
        ("percent", "20-30", None),
        ("percent", "0.5", 0.5),
    ],
)
def test_what_an_earlier_review_prints_is_read_or_left(measure_, text, value):
    found = published_percent(PublishedResult(review="x", question="q", measure=measure_, estimate=text))[0]
    assert math.isnan(found) if value is None else found == pytest.approx(value)


def test_blank_figure_says_why():
    figure = blank("x", "Title", "No study was found.")
    assert figure.alt == "No study was found."
    assert figure.height < 40


def test_fonts_are_unmodified():
    import hashlib

    from kmeta.plots.faces import FILES, FONTS

    known = {
        "regular": "8d91388f1d3604b3b8ae0e3ee2d140e50cd6122f9214514f4aca772540a4076d",
        "bold": "ba0e0dc3f7aca5b0afbc31e800531ee43be3aa79ae35b2ef1f6470a9547765c4",
        "italic": "01f559e5c501d3d5777647c6a92b3ff37a4523bcf4f3b6e97ae052af567618b1",
    }
    for name, file in FILES.items():
        assert hashlib.sha256((Path(FONTS) / file).read_bytes()).hexdigest() == known[name]
