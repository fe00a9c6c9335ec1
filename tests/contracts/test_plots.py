"""Every registered plot answers the same questions: nothing overprints, same bytes, words from the numbers."""

import csv
import hashlib
import io
import math
import os
import re
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.samples import figures as made

from kmeta.core.errors import InputError, ReviewError
from kmeta.methods.meta import doi_plot, p_curve, random_effects
from kmeta.methods.strategy.table import StrategyTable
from kmeta.methods.synthesis.result import Pool
from kmeta.plots import PLOTS, Figure
from kmeta.plots.drawing import Disc, Shape
from kmeta.plots.faces import FILES, FONTS, face
from kmeta.plots.style import MARGIN, MAX_HEIGHT_MM, PRESETS

# Fills of boxes that hold words on purpose.
FRAMES = ("", "paper", "pooled", "phase", "included")
TOLERANCE = 0.3  # points; the rule of the house for two texts


def extreme() -> object:
    lines = [
        made.trial("Tiny 2001", 0.001, 0.0001, 0.01),
        made.trial("Huge 2002", 1000.0, 10.0, 99999.0),
        made.trial("Zero limit 2003", 0.5, 0.0, math.inf),
        made.trial("No limits 2004", 0.8, None, None, n=None),
        made.trial(made.LONG, 1.0, 0.9, 1.1, marks=("a", "i", "m", "t")),
        made.trial(made.UNBROKEN, 2.0, 1.0, 4.0),
        made.trial(made.ODD, 0.7, 0.5, 0.9, treatment=made.LONG, control=made.LONG),
    ]
    return made.ratio_of([Pool(name="x", title=made.LONG, lines=tuple(lines), remark=made.LONG)])


def odd_survival() -> object:
    lines = (
        made.arm("All alive 2001", 1.0, 12, None),
        made.arm("All dead 2002", 0.0, 9000, None),
        made.arm(made.UNBROKEN, 0.5, None, None, made.LONG),
        made.arm(made.ODD, 0.995, 12345, None, made.UNBROKEN),
        replace(made.arm("No interval 2010", 0.4, 30, None), ci_low=None, ci_high=None, interval="none"),
    )
    return made.survival_of(
        [
            Pool(
                name="empty", title="Mixed treatments", treatment_class="mixed", remark="no arm with a value"
            ),
            Pool(
                name="odd",
                title=made.LONG,
                treatment_class="conservative",
                lines=lines,
                published=made.published("about 30"),
            ),
            Pool(name="one", title="One", treatment_class="systemic", lines=lines[:1], remark=made.LONG),
        ]
    )


def one_trial() -> object:
    line = made.trial("RADIANT-4 2016", 0.48, 0.35, 0.67)
    pool = Pool(name="m", title="mTOR", lines=(line,), remark="one trial: shown as printed")
    return made.ratio_of([pool], replace(pool, name="all"))


EMPTY_SURVIVAL = made.survival_of([Pool(name="a", title="A", remark="no arm")])
# name of the plot -> (name of the case, what it shows, further arguments)
CASES = {
    "forest_survival": [
        ("target", made.target_survival(), {}),
        ("odd", odd_survival(), {}),
        ("narrow", odd_survival(), {"width_mm": 85}),
        ("empty", EMPTY_SURVIVAL, {}),
        ("by weight", made.target_survival(), {"order": "weight", "width_mm": 114}),
        ("mono", made.target_survival(), {"preset": "mono"}),
        (
            "long",
            made.survival_of(
                [replace(p, name=f"{i}") for i in range(8) for p in made.target_survival().pools]
            ),
            {},
        ),
    ],
    "forest_ratio": [
        ("target", made.target_ratio(), {}),
        ("narrow", made.target_ratio(), {"width_mm": 85}),
        ("extreme", extreme(), {}),
        ("extreme narrow", extreme(), {"width_mm": 85}),
        ("k = 1", one_trial(), {}),
        ("k = 40", made.many_trials(40), {}),
        ("k = 65", made.many_trials(65), {}),
        ("k = 65, 114 mm", made.many_trials(65), {"width_mm": 114}),
        ("one group of 65", replace(made.many_trials(65), pools=()), {}),
        ("empty", made.ratio_of([]), {}),
        ("by effect", made.many_trials(26), {"order": "effect", "favours": (made.LONG, made.LONG)}),
    ],
    "forest": [
        (f"k = {k} {measure}", made.fit_of(k, measure), {"width_mm": width})
        for k, measure, width in [
            (1, "HR", 174),
            (2, "HR", 85),
            (9, "PLO", 174),
            (65, "HR", 174),
            (30, "MD", 114),
            (3, "IR", 85),
        ]
    ]
    + [("labels", made.fit_of(3), {"labels": [made.LONG, made.UNBROKEN, made.ODD]})],
    "funnel": [
        ("k = 3", made.fit_of(3), {}),
        ("k = 65", made.fit_of(65), {}),
        ("k = 12 MD", made.fit_of(12, "MD"), {"width_mm": 114}),
        ("logit", made.fit_of(12, "PLO"), {}),
    ],
    "median_figure": [
        ("some", made.medians(), {}),
        ("narrow", made.medians(), {"width_mm": 85}),
        ("none", replace(made.medians(), pools=()), {}),
    ],
    "prisma_flow": [
        ("other", made.flow(), {}),
        ("no other", made.flow(other=False), {}),
        ("narrow", made.flow(), {"width_mm": 85}),
        ("few", made.flow(parts=2), {"width_mm": 114}),
    ],
    "strategy_figure": [
        ("some", made.strategy(), {}),
        ("narrow", made.strategy(), {"width_mm": 85}),
        ("114 mm", made.strategy(), {"width_mm": 114}),
        ("none", StrategyTable(table=()), {}),
    ],
    "kaplan_meier_figure": [
        ("two", made.curves(2), {"hazard_ratio": (0.56, 0.41, 0.77), "published": "Published HR 0.48"}),
        ("narrow", made.curves(2), {"width_mm": 85, "fade_below": 10}),
        ("seven", made.curves(7), {"width_mm": 174}),
        ("one", made.curves(1), {"outcome": made.LONG, "since": made.LONG, "published": made.LONG}),
        ("flat", made.flat_curves(), {"until": 12.0}),
        ("long names", made.curves(5), {}),
    ],
}


def odd_labels(k: int, measure: str = "HR", seed: int = 5) -> object:
    """A model whose estimates have names that no label is made for."""
    names = [made.LONG, made.UNBROKEN, made.ODD, *(f"Study {i}" for i in range(k))][:k]
    fit = made.fit_of(k, measure, seed)
    return random_effects(fit.yi, fit.vi, measure=measure, labels=names)


def outlying() -> object:
    """One estimate far from the others, one of enormous variance, two the same."""
    yi, vi = [0.1, 0.1, 0.2, 9.0, -0.3], [0.02, 0.02, 0.05, 0.01, 400.0]
    return random_effects(yi, vi, measure="MD", labels=list("ABCDE"), tau2="DL")


def of_fits(draw: str, *, wide: int = 174) -> list:
    """The same cases for every plot of what is drawn from a model."""
    fits = [("k = 3", made.fit_of(3)), ("k = 30", made.fit_of(30)), ("odd names", odd_labels(9))]
    fits += [("logit", odd_labels(12, "PLO")), ("difference", odd_labels(7, "MD")), ("outlying", outlying())]
    cases = [(name, getattr(fit, draw)(), {}) for name, fit in fits]
    return [*cases, ("other width", getattr(odd_labels(9), draw)(), {"width_mm": wide})]


CASES |= {
    "baujat": of_fits("baujat"),
    "radial": of_fits("radial"),
    "influence": of_fits("influence", wide=85),
    "normal_quantiles": of_fits("rstandard") + of_fits("influence"),
    "refits_forest": of_fits("leave_one_out", wide=85) + of_fits("cumulative", wide=85),
    "gosh": [
        ("all", made.fit_of(9).gosh(), {}),
        ("drawn", made.fit_of(40, "MD").gosh(n=3000, seed=3), {"width_mm": 174}),
        ("two", made.fit_of(2).gosh(), {}),
        ("logit", made.fit_of(6, "PLO").gosh(), {}),
        ("outlying", outlying().gosh(), {}),
    ],
    "profile": [
        ("k = 9", made.fit_of(9).profile(), {}),
        ("tau2 0", random_effects([0.1, 0.1, 0.1], [0.1, 0.2, 0.3], measure="MD").profile(), {}),
        ("far", made.fit_of(5).profile([0.0, 0.001, 50.0]), {"width_mm": 174}),
        ("ML", random_effects([0.1, 0.9, 2.0], [0.1, 0.2, 0.3], measure="MD", tau2="ML").profile(), {}),
    ],
    "doi_plot": [
        (f"k = {k}", doi_plot(made.fit_of(k).yi, made.fit_of(k).vi), {"width_mm": w})
        for k, w in ((3, 85), (60, 174))
    ],
    "p_curve": [
        ("some", p_curve(made.fit_of(30).yi, made.fit_of(30).vi), {}),
        ("none", p_curve([0.1, 0.2], [1.0, 1.0]), {}),
        ("one", p_curve([2.0], [1.0]), {"title": "One result"}),
        ("rising", p_curve([2.0, 2.01, 1.97, 2.1, 2.4], [1.0] * 5), {"width_mm": 174}),
    ],
}
CASES["pooled_curve"] = [
    (
        "target",
        made.summary_curve(12),
        {"outcome": "Overall survival", "since": "Months since entry", "source": made.LONG},
    ),
    ("narrow", made.summary_curve(12), {"width_mm": 85}),
    ("one", made.summary_curve(1), {"width_mm": 174}),
    ("two", made.summary_curve(2), {"outcome": made.LONG, "since": made.LONG}),
    ("high", made.summary_curve(6, 0.002), {"until": 12.0, "preset": "mono"}),
    ("by class", made.summary_curve(12), {"by_class": True}),
    ("by class narrow", made.summary_curve(21, classes=7), {"by_class": True, "width_mm": 85}),
]
EVERY = [
    pytest.param(name, *case[1:], id=f"{name}: {case[0]}") for name, cases in CASES.items() for case in cases
]


def drawn(name: str, shown: object, options: dict) -> Figure:
    return PLOTS[name](shown, **options)


def faults(figure: Figure) -> list[str]:
    """Texts that run into each other or leave the page, in every part of the figure."""
    found = []
    for page in {id(f): f for f in (figure, *figure.pages)}.values():
        boxes = page.boxes()
        for i, box in enumerate(boxes):
            if min(box.x0, box.y0, page.width - box.x1, page.height - box.y1) < MARGIN - TOLERANCE - 1:
                found.append(f"leaves the page: {box}")
            found += [
                f"{box.text!r} on {other.text!r}"
                for other in boxes[i + 1 :]
                if box.overlap(other) > TOLERANCE
            ]
    return found


def test_every_plot_has_cases():
    assert set(CASES) == set(PLOTS)


@pytest.mark.parametrize(("name", "shown", "options"), EVERY)
def test_no_text_overprints_or_leaves_the_page(name, shown, options):
    assert faults(drawn(name, shown, options)) == []


@pytest.mark.parametrize(("name", "shown", "options"), EVERY)
def test_no_mark_covers_a_number(name, shown, options):
    figure = drawn(name, shown, options)
    marks = []
    for item in figure.items:
        if isinstance(item, Shape) and item.layer >= 2 and item.opacity == 1 and item.fill not in FRAMES:
            xs, ys = [p[0] for p in item.points], [p[1] for p in item.points]
            marks.append((min(xs), min(ys), max(xs), max(ys)))
        elif isinstance(item, Disc):
            marks.append((item.x - item.r, item.y - item.r, item.x + item.r, item.y + item.r))
    for box in figure.boxes():
        for x0, y0, x1, y1 in marks:
            assert min(box.x1, x1) - max(box.x0, x0) <= 1 or min(box.y1, y1) - max(box.y0, y0) <= 1, box


@pytest.mark.parametrize(("name", "shown", "options"), EVERY)
def test_alt_text_is_short_and_says_no_colour(name, shown, options):
    figure = drawn(name, shown, options)
    assert figure.title
    assert 1 <= len(re.findall(r"[.!?](?:\s|$)", re.sub(r"\bv\.|n\.r\.|n\.d\.", "", figure.alt))) <= 3
    assert not re.search(
        r"\b(blue|red|orange|green|grey|purple|colou?r|image of|picture of)\b", figure.alt, re.I
    )
    assert "nan" not in figure.alt.casefold().split()


@pytest.mark.parametrize(("name", "shown", "options"), EVERY)
def test_svg_is_whole_and_its_ids_are_its_own(name, shown, options):
    figure = drawn(name, shown, options)
    for paths in (True, False):
        root = ElementTree.fromstring(figure.svg(text_as_paths=paths))
        ids = [element.get("id") for element in root.iter() if element.get("id")]
        assert len(ids) == len(set(ids))
        assert all(i.startswith(figure.name) for i in ids)
        spoken = [element.tag.rpartition("}")[2] for element in root][:2]
        assert spoken == ["title", "desc"]
        assert all(element.text for element in list(root)[:2])
        links = {v for e in root.iter() for k, v in e.attrib.items() if k.endswith("href")}
        assert {link[1:] for link in links} <= set(ids)
    assert not re.search(r"nan|inf(?![a-z])", " ".join(re.findall(r'[dxy]="([^"]*)"', figure.svg())))


@pytest.mark.parametrize(("name", "shown", "options"), EVERY)
def test_pages_fit_a_page_and_the_data_stand_beside(name, shown, options):
    figure = drawn(name, shown, options)
    assert all(page.height_mm <= MAX_HEIGHT_MM + 0.5 for page in figure.pages)
    lines = list(csv.reader(io.StringIO(figure.csv(), newline="")))
    assert len(lines) == (len(figure.rows) + 1 if figure.rows else 0)
    assert all(set(row) == set(figure.rows[0]) for row in figure.rows)


@pytest.mark.parametrize("name", sorted(CASES))
def test_same_input_same_bytes(name):
    _, shown, options = CASES[name][0]
    first, second = drawn(name, shown, options), drawn(name, shown, options)
    assert first.svg() == second.svg()
    assert first.svg(text_as_paths=False) == second.svg(text_as_paths=False)
    assert first.png(100) == second.png(100)
    assert first.pdf() == second.pdf()
    assert first.csv() == second.csv()


SCRIPT = """
import hashlib
from tests.contracts.test_plots import CASES, drawn
for name in sorted(CASES):
    figure = drawn(name, *CASES[name][0][1:])
    for data in (figure.svg().encode(), figure.svg(False).encode(), figure.png(100), figure.csv().encode()):
        print(name, hashlib.sha256(data).hexdigest())
import sys
assert "matplotlib.pyplot" not in sys.modules
print(hashlib.sha256(drawn("forest_ratio", *CASES["forest_ratio"][0][1:]).pdf()).hexdigest())
"""


def test_bytes_do_not_depend_on_the_process():
    root = Path(__file__).parents[2]
    told = []
    for seed, zone, locale in (("1", "UTC", "C"), ("77", "Asia/Tokyo", "de_DE.UTF-8")):
        env = {
            **os.environ,
            "PYTHONHASHSEED": seed,
            "TZ": zone,
            "LC_ALL": locale,
            "MPLBACKEND": "svg",
            "PYTHONPATH": str(root),
        }
        env.pop("DISPLAY", None)
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], env=env, cwd=root, capture_output=True, text=True, check=True
        )
        told.append(done.stdout)
    assert told[0] == told[1]
    assert len(told[0].splitlines()) == 4 * len(CASES) + 1


def test_several_threads_draw_the_same():
    figure = drawn("forest_ratio", made.target_ratio(), {})
    expected = hashlib.sha256(figure.svg().encode() + figure.png(100)).hexdigest()
    found = []

    def work():
        again = drawn("forest_ratio", made.target_ratio(), {})
        found.append(hashlib.sha256(again.svg().encode() + again.png(100)).hexdigest())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


def test_no_setting_of_matplotlib_is_left_changed():
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    figure = drawn("forest_survival", made.target_survival(), {})
    figure.pdf(), figure.png(100)
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("name", sorted(FILES))
def test_each_face_is_the_file_in_the_package(name):
    used = face(name)
    assert used.path.parent == FONTS
    assert Path(used._font.fname) == FONTS / FILES[name]
    assert used._font.family_name == "Liberation Sans"
    assert (FONTS / "LICENSE-LiberationSans.txt").read_text(encoding="utf-8").count(
        "SIL OPEN FONT LICENSE"
    ) == 1
    # All figures equally wide, also side by side: columns of numbers stay even.
    assert {used.positions(a + b)[1] for a in "0123456789" for b in "0123456789"} == {2 * 1139}


def test_pdf_holds_only_the_vendored_faces():
    data = drawn("forest_ratio", made.target_ratio(), {}).pdf()
    fonts = set(re.findall(rb"/BaseFont /(?:[A-Z]{6}\+)?([A-Za-z-]+)", data))
    assert fonts
    assert all(font.startswith(b"LiberationSans") for font in fonts)
    assert b"CreationDate" not in data
    assert b"/Producer" not in data


def test_png_says_its_resolution_and_nothing_else():
    data = drawn("forest_ratio", made.target_ratio(), {}).png(200)
    kinds = re.findall(rb"(IHDR|pHYs|tEXt|iTXt|zTXt|tIME|IEND)", data[:200] + data[-12:])
    assert kinds == [b"IHDR", b"pHYs", b"IEND"]


def test_missing_characters_are_named_not_replaced():
    fit = made.fit_of(3)
    figure = PLOTS["forest"](fit, labels=["中文 2001", "B", "C"])
    assert figure.missing == ("中", "文")
    assert "中文" in figure.svg(text_as_paths=False)


def test_text_from_outside_is_escaped_and_formulas_are_text():
    figure = PLOTS["forest"](made.fit_of(3), labels=["<script>x</script>", "=1+1", "@cmd"], title='a"b<c')
    assert "<script" not in figure.svg(text_as_paths=False)
    assert ",'=1+1," in figure.csv()
    assert ",'@cmd," in figure.csv()


def test_themed_svg_leaves_every_colour_to_the_page():
    svg = drawn("forest_survival", made.target_survival(), {}).svg(text_as_paths=False, themed=True)
    assert set(re.findall(r'(?:fill|stroke)="([^"v][^"]*)"', svg)) <= {"none"}
    assert "var(--fig-ink,#1A1A1A)" in svg


def test_mono_uses_greys_alone():
    for colour in PRESETS["mono"].values():
        assert colour[1:3] == colour[3:5] == colour[5:7]


@pytest.mark.parametrize(
    ("name", "shown", "options"),
    [
        ("forest_ratio", made.target_ratio(), {"preset": "nature"}),
        ("forest", made.fit_of(3), {"labels": ["one"]}),
        ("forest_survival", made.target_survival(), {"width_mm": 5}),
        ("kaplan_meier_figure", [], {}),
        ("pooled_curve", made.summary_curve(3), {"until": 0.0}),
        ("pooled_curve", made.summary_curve(12, classes=8), {"by_class": True}),
    ],
)
def test_wrong_arguments_are_told(name, shown, options):
    with pytest.raises(InputError) as caught:
        drawn(name, shown, options)
    assert caught.value.hint


def test_a_flow_that_does_not_add_up_is_not_drawn():
    flow = made.flow()
    object.__setattr__(flow.boxes[0], "n", 5)
    with pytest.raises(ReviewError, match="parts"):
        PLOTS["prisma_flow"](flow)


values = st.floats(0.001, 1000)
texts = st.text(max_size=60)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(texts, values, st.floats(1.0, 50.0), st.none() | st.integers(0, 10**6), texts),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from([85, 114, 174]),
)
def test_any_trials_are_drawn_without_fault(rows, width):
    lines = tuple(
        made.trial(f"{name} {2000 + i}", value, value / spread, value * spread, n=n, treatment=drug)
        for i, (name, value, spread, n, drug) in enumerate(rows)
    )
    pools = [
        Pool(name="a", title=rows[0][0], lines=lines[:3]),
        Pool(name="b", title="b", lines=lines[3:], apart=lines[:1]),
    ]
    assert faults(drawn("forest_ratio", made.ratio_of(pools), {"width_mm": width})) == []


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(texts, st.floats(0, 1), st.none() | st.integers(1, 10**6), texts), min_size=1, max_size=12
    ),
    st.sampled_from([85, 174]),
)
def test_any_arms_are_drawn_without_fault(rows, width):
    lines = [
        made.arm(f"{name} {1990 + i}", share, n, None, drug) for i, (name, share, n, drug) in enumerate(rows)
    ]
    weighted, fit = made.weighed(lines, "PLO")
    pool = Pool(name="a", title=rows[0][0] or "A", treatment_class="resection", lines=weighted, fit=fit)
    assert faults(drawn("forest_survival", made.survival_of([pool]), {"width_mm": width})) == []
