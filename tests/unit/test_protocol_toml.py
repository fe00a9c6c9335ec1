"""review.toml: what a person writes is read whole, and what is wrong with it is said all at once."""

import doctest
from contextlib import suppress
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmeta.core.errors import FormatError
from kmeta.formats import nearest, protocol
from kmeta.formats.protocol import read_protocol, write_protocol
from kmeta.review.protocol import Analysis, Eligibility, Protocol, PublishedLine, Treatment

WHOLE = """
title = "Surgery or drugs"
question = "Which lives longer?"
format_version = 1
time_unit = "months"
reasons = ["wrong population", "no survival"]
time_origins = ["treatment"]
not_known = ["no search strategy"]
example = "an example"

[eligibility]
languages = ["en", "de"]
year_from = 1995
year_to = 2021
population = "liver metastases"
include = ["ten patients"]
exclude = ["case report"]

[[treatment]]
name = "drug"
class = "systemic"
words = ["drug"]
without = ["other"]
group = "drugs"

[[treatment]]
name = "placebo"
class = "systemic"
words = ["placebo"]

[[analysis]]
name = "os60"
kind = "survival_at"
outcomes = ["OS"]
title = "Alive at 5 years"
time_months = 60
window_months = 3.5
classes = ["resection", "systemic"]
year_from = 1990
year_to = 2025
tau2 = "DL"
test = "z"
level = 0.9

[[analysis]]
name = "pfs-hr"
kind = "hazard_ratio"
outcomes = ["PFS", "TTP"]
experimental = ["drug"]
control = ["placebo"]
randomised_only = false

[[compare_with]]
analysis = "os60"
class = "resection"
review = "someone2022"
question = "surgery: 5-year OS"
"""


def faults(text: str) -> list[str]:
    with pytest.raises(FormatError) as caught:
        read_protocol(text)
    return [str(problem) for problem in caught.value.problems]


def test_every_field_can_be_written_and_is_read():
    made = read_protocol(WHOLE)
    for noun in (made, made.eligibility, made.treatments[0], made.compare_with[0]):
        for field in fields(noun):
            assert getattr(noun, field.name) not in ((), "", None), field.name
    assert made.analyses[0] == Analysis(
        name="os60",
        kind="survival_at",
        outcomes=("OS",),
        title="Alive at 5 years",
        time_months=60,
        window_months=3.5,
        classes=("resection", "systemic"),
        year_from=1990,
        year_to=2025,
        tau2="DL",
        test="z",
        level=0.9,
    )
    assert made.analyses[1].experimental == ("drug",)
    assert made.analyses[1].randomised_only is False


def test_a_title_is_enough():
    assert read_protocol('title = "x"') == Protocol(title="x")


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (("title =", "titel ="), ["titel: no such key here", 'did you mean "title"?']),
        (('title = "Surgery or drugs"', ""), ["title: is missing"]),
        (('title = "Surgery or drugs"', "title = 3"), ["review.toml:2 title", "3 is not text"]),
        (("format_version = 1", "format_version = 2"), ["2 is newer than this kmeta", "update kmeta"]),
        (('"months"', '"weeks"'), ['"weeks" is not known', "months"]),
        (('["en", "de"]', '["english"]'), ["eligibility.languages", "ISO 639-1"]),
        (("year_from = 1995", "year_from = 2030"), ["year_to", "2021 is before year_from, 2030"]),
        (("year_from = 1995", "year_from = 19950"), ["19950 is not a year"]),
        (("year_from = 1995", 'year_from = "1995"'), ['"1995" is not a year']),
        (("year_from = 1995", "year_from = true"), ["true is not a year"]),
        (
            ('class = "systemic"\nwords = ["drug"]', 'class = "sistemic"\nwords = ["drug"]'),
            ['did you mean "systemic"?'],
        ),
        (
            ('name = "placebo"', 'name = "Drug"'),
            ["is used by treatment 1 as well", 'no treatment is named "placebo"'],
        ),
        (('words = ["drug"]', "words = []"), ["treatment.1.words: is empty"]),
        (('without = ["other"]', 'without = ["Drug"]'), ["so no arm can fit"]),
        (('kind = "survival_at"', 'kind = "survival"'), ["analysis.1.kind", 'did you mean "survival_at"?']),
        (('outcomes = ["OS"]', 'outcomes = ["os"]'), ['did you mean "OS"?']),
        (('outcomes = ["OS"]', "outcomes = []"), ["analysis.1.outcomes: is empty"]),
        (("time_months = 60", ""), ["time_months: is missing"]),
        (("time_months = 60", "time_months = -60"), ["-60 is not a time between"]),
        (("time_months = 60", "time_months = nan"), ["nan is not a time between"]),
        (("time_months = 60", "time_months = 0"), ["everybody is alive"]),
        (("window_months = 3.5", "window_months = 60"), ["60 is not less than time_months"]),
        (('classes = ["resection", ', 'classes = ["surgery", '), ['"surgery" is no class of treatment']),
        (('name = "pfs-hr"', 'name = "os60"'), ['"os60" is used by analysis 1 as well']),
        (('name = "pfs-hr"', 'name = "../x"'), ["cannot name a file"]),
        (
            ('experimental = ["drug"]', 'experimental = ["drugg"]'),
            ['no treatment is named "drugg"', 'mean "drug"?'],
        ),
        (('control = ["placebo"]', 'control = ["drug"]'), ["is in experimental as well"]),
        (('control = ["placebo"]', ""), ["control: is missing"]),
        (("randomised_only = false", "randomised_only = 0"), ["0 is not true or false"]),
        (("randomised_only = false", "widths_from_p = 0"), ["0 is not true or false"]),
        (
            ("randomised_only = false", "time_months = 60"),
            ["belongs to survival_at; this analysis is hazard_ratio"],
        ),
        (("level = 0.9", "level = 95"), ["95 is not a level as 0.95"]),
        (('analysis = "os60"', 'analysis = "os6"'), ['no analysis is named "os6"', 'did you mean "os60"?']),
        (("[eligibility]", "[[eligibility]]"), ["is not a section ([eligibility])"]),
        (("[[compare_with]]", "[compare_with]"), ["is not a list of sections"]),
        (("time_months = 60", "time_months = 60,5"), ["review.toml:36", "a decimal comma"]),
        (('kind = "survival_at"', "kind = survival_at"), ["review.toml:33", "text stands in quotes"]),
    ],
)
def test_what_is_wrong_is_said_with_its_place_and_what_to_do(broken, said):
    assert broken[0] in WHOLE
    told = "\n".join(faults(WHOLE.replace(*broken, 1)))
    for words in said:
        assert words in told


def test_every_problem_is_told_at_once_with_its_line():
    told = faults(
        'titel = "x"\n\n[[analysis]]\nname = "a"\nkind = "survival_at"\noutcomes = ["OS"]\nyears = 5\n'
    )
    assert [line.split(": ")[0] for line in told] == [
        "review.toml:title",
        "review.toml:3 analysis.1.time_months",
        "review.toml:7 analysis.1.years",
        "review.toml:1 titel",
    ]


@pytest.mark.parametrize(
    "text", ["", "  \n", "title = ", "title = [[[", "[" * 5000, 'title = "\x00"', "x" * 1_000_001]
)
def test_what_is_no_toml_is_refused_in_words(text):
    assert faults(text)


def test_text_of_several_lines_does_not_shift_the_lines():
    told = faults(
        'title = "x"\nquestion = """\n[[analysis]]\nkind = 1\n"""\n\n[eligibility]\nyear_from = 1\n'
    )
    assert told == ["review.toml:8 eligibility.year_from: 1 is not a year (years are between 1800 and 2200)"]


def test_the_examples_hold():
    assert doctest.testmod(protocol).failed == doctest.testmod(nearest).failed == 0


lines = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12).filter(
    str.strip
)
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,8}", fullmatch=True)
some = st.lists(lines, unique=True, max_size=3).map(tuple)


@given(
    st.builds(
        Protocol,
        title=lines,
        question=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30),
        eligibility=st.builds(
            Eligibility, year_from=st.none() | st.integers(1800, 2200), include=some, population=lines
        ),
        reasons=some,
        not_known=some,
        time_origins=some,
        treatments=st.lists(
            st.builds(
                Treatment, name=names, treatment_class=st.just("mixed"), words=st.just(("word",)), group=lines
            ),
            unique_by=lambda each: each.name.casefold(),
            max_size=3,
        ).map(tuple),
        analyses=st.lists(
            st.builds(
                Analysis,
                name=names,
                kind=st.just("survival_at"),
                outcomes=st.just(("OS", "DSS")),
                title=lines,
                time_months=st.floats(1, 1200),
                level=st.floats(0.5, 0.999),
            ),
            unique_by=lambda each: each.name.casefold(),
            max_size=3,
        ).map(tuple),
        compare_with=st.just(()),
    )
)
def test_what_is_written_is_read_back(made):
    if made.analyses:
        line = PublishedLine(
            analysis=made.analyses[0].name, treatment_class="mixed", review="r", question='say "x"\n'
        )
        made = Protocol(**{f.name: getattr(made, f.name) for f in fields(made)} | {"compare_with": (line,)})
    assert read_protocol(write_protocol(made)) == made


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda data: data.decode("latin-1")))
def test_any_text_is_read_or_refused(text):
    with suppress(FormatError):
        assert read_protocol(text).title
