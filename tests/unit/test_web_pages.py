"""What each page shows, and that its JSON twin says the same."""

import doctest
import re
import runpy
from html import unescape
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from kmeta.core.errors import ProjectError
from kmeta.web import guard, inline, words
from kmeta.web.app import create_app
from kmeta.web.pages import PAGES, STAGES, analyses

SAMPLE = runpy.run_path(str(Path(__file__).parents[1] / "samples" / "web_contents.py"))
review = SAMPLE["review"]
KEYS = {"/studies/": "pitt", "/analyses/": "os_60"}
ADDRESSES = [page.path + KEYS.get(page.path, "") for page in PAGES]


def client_of(loaded, **kwargs):
    return TestClient(create_app(lambda: loaded, **kwargs), base_url="http://127.0.0.1:8765")


@pytest.fixture(scope="module")
def client():
    return client_of(review())


@pytest.fixture
def with_report(tmp_path):
    for name, text in {
        "report.html": "<!doctype html><style>h1{color:red}</style><h1>Report</h1>",
        "report.docx": "word",
        "analysis.R": "library(metafor)",
        "tables/arms.csv": "a,b",
        "tables/notes.exe": "MZ",
        ".hidden": "no",
    }.items():
        (tmp_path / "report" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "report" / name).write_text(text)
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "report" / "link.txt").symlink_to(tmp_path / "secret.txt")
    return client_of(review(report=tmp_path / "report"))


def text_of(answer):
    """What a reader sees: tags off, spaces of any width folded."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", answer.text)).split())


def ids_in(answer):
    return re.findall(r'<th scope="row">(R\d+)</th>', answer.text)


@pytest.mark.parametrize("module", [words, guard, inline, analyses], ids=lambda m: m.__name__)
def test_the_examples_in_the_docstrings_hold(module):
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("address", ADDRESSES)
def test_each_page_reads_whole_and_has_a_json_twin(client, address):
    page = client.get(address)
    assert page.status_code == 200
    assert page.text.count("<h1") == 1
    twin = re.search(r'rel="alternate" type="application/json" href="([^"]+)"', page.text)[1]
    told = client.get(unescape(twin))
    assert told.headers["content-type"] == "application/json"
    assert told.json()["heading"] in text_of(page)


def test_a_twin_keeps_the_query_of_its_page(client):
    page = client.get("/records?box=excluded&q=report+50")
    twin = unescape(re.search(r'type="application/json" href="([^"]+)"', page.text)[1])
    told = client.get(twin).json()
    assert [row["record"]["record_id"] for row in told["list"]["rows"]] == ids_in(page)


def test_every_link_within_the_app_leads_somewhere(with_report):
    seen, waiting = set(), ["/"]
    while waiting:
        address = waiting.pop()
        if address in seen or len(seen) > 150:
            continue
        seen.add(address)
        answer = with_report.get(address)
        assert answer.status_code == 200, address
        if answer.headers["content-type"].startswith("text/html") and not address.startswith("/report/files"):
            found = {unescape(link) for link in re.findall(r'(?:href|src)="(/[^"#]*)', answer.text)}
            waiting += sorted(found - seen)
    assert {"/records", "/studies/pitt", "/analyses/os_60", "/strategy", "/published", "/findings"} <= seen


# -- the flow


def test_the_flow_counts_and_each_box_opens_exactly_the_records_it_counts(client):
    loaded = review()
    page = client.get("/")
    for box in loaded.contents.flow.boxes:
        assert box.title in page.text
        if not box.record_ids:
            continue
        rows, number = [], 1
        assert f'href="/records?box={box.key}"' in page.text
        while number:
            told = client.get(f"/records.json?box={box.key}&page={number}").json()["list"]
            rows += [row["record"]["record_id"] for row in told["rows"]]
            number = number + 1 if told["page"] < told["pages"] else 0
        assert sorted(rows) == sorted(box.record_ids)
        assert len(rows) == box.n


def test_a_line_of_a_box_opens_its_records(client):
    box = review().contents.flow.box("excluded")
    told = client.get("/records.json", params={"box": "excluded", "reason": box.parts[0].label}).json()
    assert told["list"]["total"] == box.parts[0].n > 0


def test_a_box_of_studies_opens_those_studies(client):
    box = review().contents.flow.box("other_identified")
    told = client.get("/studies.json?box=other_identified").json()
    assert sorted(row["study"]["study_id"] for row in told["list"]["rows"]) == sorted(box.study_ids)


def test_what_is_not_known_is_absent_and_said(client):
    flow = review().contents.flow
    assert flow.box("assessed") is None
    text = text_of(client.get("/"))
    assert "Full texts assessed" not in text
    for sentence in flow.not_known:
        assert sentence in text
    assert client.get("/records?box=assessed").status_code == 404


def test_what_is_not_built_is_plain_text_and_named(client):
    page = client.get("/")
    for name, address in STAGES:
        if address:
            assert re.search(rf'<a href="{address}"[^>]*>{name}', page.text)
        else:
            assert re.search(rf'<li class="off"[^>]*><span>{name}<span class="sr">, not built yet', page.text)
    assert "Certainty of evidence" in page.text


def test_what_waits_is_counted_from_the_findings(client):
    text = text_of(client.get("/"))
    assert "1 finding holds back a result 1 1 check, 1 study" in text
    assert "2 findings to look at before citing 2 1 check, 2 studies" in text


# -- records


def test_records_come_a_hundred_to_a_page(client):
    first, last = client.get("/records"), client.get("/records?page=3")
    assert ids_in(first) == [f"R{n:03}" for n in range(1, 101)]
    assert ids_in(last) == [f"R{n:03}" for n in range(201, 251)]
    assert ids_in(client.get("/records?page=99")) == ids_in(last)
    assert "101 to 200 of 250" in text_of(client.get("/records?page=2"))


def test_a_search_finds_all_words_without_case(client):
    assert ids_in(client.get("/records", params={"q": "REPORT 17 hpb"}))[0] == "R017"
    assert "No record holds “nowhere”" in text_of(client.get("/records?q=nowhere"))


def test_a_record_shows_its_decision_with_reason_and_links_only_to_real_identifiers(client):
    page = client.get("/records?q=R001")
    assert "https://doi.org/10.1155/2014/524045" in page.text
    assert "https://pubmed.ncbi.nlm.nih.gov/24526905/" in page.text
    excluded = text_of(client.get("/records?q=R005"))
    assert "✕ Exclude guideline title and abstract, example" in excluded


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("page=0", 422),
        ("page=x", 422),
        ("page=²", 422),
        ("page=99999999", 422),
        ("q=" + "a" * 201, 422),
        ("box=none", 404),
    ],
)
def test_a_query_that_cannot_be_answered_is_answered_in_words(client, query, status):
    answer = client.get(f"/records?{query}")
    assert answer.status_code == status
    assert "Back to the flow" in answer.text


# -- studies, findings, analyses


def test_a_study_shows_every_value_with_its_source(client):
    text = text_of(client.get("/studies/pitt"))
    for piece in (
        "TAE (bland)",
        "51 patients",
        "1 year",
        "19 %",
        "70 %",
        "second hand",
        "Table 1",
        "Nonmonotone",
    ):
        assert piece in text
    assert "subgroup across arms" in text
    assert "0.84 (0.6 to 1.17)" in text
    assert "Survival rises from 19 %" in text
    assert "arm tace left out" in text


def test_studies_are_chosen_by_treatment(client):
    told = client.get("/studies.json?class=locoregional").json()
    assert [row["study"]["study_id"] for row in told["list"]["rows"]] == ["pitt"]
    assert client.get("/studies?class=magic").status_code == 404


def test_findings_are_filtered_and_the_counts_agree(client):
    told = client.get("/findings.json").json()
    assert [one["n"] for one in told["severities"]] == [1, 2, 1]
    assert [f["check"] for f in told["list"]["rows"]] == [
        "survival-rises",
        "second-hand",
        "second-hand",
        "no-year",
    ]
    for severity, n in (("error", 1), ("warning", 2), ("note", 1)):
        assert client.get(f"/findings.json?severity={severity}").json()["list"]["total"] == n
    assert client.get("/findings.json?check=second-hand&severity=warning").json()["list"]["total"] == 2
    assert client.get("/findings?severity=awful").status_code == 404


def test_an_analysis_shows_result_rows_sensitivity_and_what_was_left_out(client):
    loaded = review()
    fit = loaded.contents.syntheses[0].pools[0].fit
    low, high = fit.effect_ci
    page = client.get("/analyses/os_60")
    text = text_of(page)
    assert f"{100 * fit.effect:.1f} % ({100 * low:.1f} to {100 * high:.1f})" in text
    for piece in (
        "Wald interval",
        "Subgroup of a parent",
        "Counted already.",
        "Associations, not effects.",
        "600 patients",
    ):
        assert piece in text
    assert "One study: not pooled." in text
    assert '<path d="M0 0H9"/>' in page.text


def test_a_planned_analysis_without_a_result_is_named(client):
    assert "Planned, without a result Medians" in text_of(client.get("/analyses"))


def test_the_published_value_stands_beside_ours(client):
    text = text_of(client.get("/published"))
    assert "67 %" in text
    assert "in the prediction interval only" in text
    assert "ours +7.0 points" in text
    assert "TACE v TAE" in text


def test_the_strategy_row_opens_its_analysis(client):
    page = client.get("/strategy")
    assert '<a href="/analyses/os_60"><b>OS 74 % at 5 years</b></a>' in page.text
    assert "No trial." in page.text


# -- figures and the report


@pytest.mark.parametrize(
    ("kind", "media", "start"),
    [("svg", "image/svg+xml", b"<svg"), ("png", "image/png", b"\x89PNG"), ("csv", "text/csv", b"study,")],
)
def test_a_figure_is_had_in_three_formats(client, kind, media, start):
    answer = client.get(f"/figures/forest-os-60.{kind}")
    assert answer.headers["content-type"].startswith(media)
    assert answer.content.startswith(start)


def test_a_figure_is_drawn_once(client):
    loaded = review()
    mine = client_of(loaded)
    for _ in range(3):
        mine.get("/figures/prisma.svg")
    assert loaded.figures["prisma"].drawn == 1


def test_the_report_lists_its_files_and_serves_them_safely(with_report):
    text = text_of(with_report.get("/report"))
    for name in ("report.html", "report.docx", "analysis.R", "arms.csv"):
        assert name in text
    assert ".hidden" not in text
    assert "link.txt" not in text
    html = with_report.get("/report/files/report.html")
    assert html.headers["content-type"] == "text/html; charset=utf-8"
    assert "sandbox" in html.headers["content-security-policy"]
    assert "allow-scripts" not in html.headers["content-security-policy"]
    assert (
        with_report.get("/report/files/report.docx").headers["content-disposition"].startswith("attachment")
    )
    assert with_report.get("/report/files/analysis.R").headers["content-type"].startswith("text/plain")
    other = with_report.get("/report/files/tables/notes.exe")
    assert other.headers["content-type"] == "application/octet-stream"
    assert other.headers["content-disposition"].startswith("attachment")


def test_the_r_script_of_the_report_is_linked_from_an_analysis(with_report):
    assert "/report/files/analysis.R" in with_report.get("/analyses/os_60").text


def test_without_a_report_the_page_says_so(client):
    assert "No report yet" in client.get("/report").text


# -- the state of the review


def test_the_page_changes_when_the_review_does_and_is_loaded_once_for_a_state():
    now, loads = ["one"], []

    def load():
        loads.append(now[0])
        return review(state=now[0], folder=now[0])

    app = create_app(load, state=lambda: now[0])
    mine = TestClient(app, base_url="http://localhost")
    assert "<b>one</b>" in mine.get("/").text
    mine.get("/studies")
    now[0] = "two"
    assert "<b>two</b>" in mine.get("/").text
    assert loads == ["one", "two"]


def test_a_review_that_cannot_be_read_says_what_to_do_and_recovers():
    broken = [True]

    def load():
        if broken[0]:
            raise ProjectError("review.db is locked", where="NELM", hint="close the other program")
        return review()

    mine = TestClient(create_app(load), base_url="http://localhost")
    answer = mine.get("/")
    assert answer.status_code == 409
    assert "review.db is locked" in answer.text
    assert "Close the other program" in answer.text
    assert mine.get("/flow.json").json()["hint"] == "close the other program"
    broken[0] = False
    assert mine.get("/").status_code == 200


def test_the_same_state_gives_the_same_bytes_and_an_unchanged_page_is_not_sent_again(client):
    first, again = client.get("/"), client_of(review()).get("/")
    assert first.content == again.content
    unchanged = client.get("/", headers={"if-none-match": first.headers["etag"]})
    assert unchanged.status_code == 304
    assert unchanged.content == b""


# -- errors


def test_a_missing_study_names_the_closest(client):
    answer = client.get("/studies/mayo2012")
    assert answer.status_code == 404
    assert '<a href="/studies/mayo2011">' in answer.text
    assert "GET /studies/mayo2012 · review NELM" in answer.text
    assert client.get("/studies/mayo2012.json").json()["near"][0]["href"] == "/studies/mayo2011"


@pytest.mark.parametrize(
    "address",
    ["/study", "/studies/", "/analyses/none", "/figures/none.svg", "/figures/prisma.gif", "/nothing/at/all"],
)
def test_what_is_not_there_is_a_page_with_a_way_back(client, address):
    answer = client.get(address)
    assert answer.status_code == 404
    assert "Back to the flow" in answer.text


def test_a_fault_of_ours_is_a_page_without_a_traceback(monkeypatch):
    loaded = review()
    monkeypatch.setattr(loaded.figures["prisma"], "svg", lambda **_: 1 / 0)
    answer = client_of(loaded).get("/figures/prisma.svg")
    assert answer.status_code == 500
    assert "could not make this page" in answer.text
    assert "ZeroDivisionError" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_keys_with_odd_letters_have_pages_of_their_own():
    import dataclasses

    loaded = review()
    facts = loaded.contents.evidence
    odd = ["a/b", "a b.json", "ä?x=1#y", "50%"]
    studies = tuple(dataclasses.replace(facts.studies[0], study_id=key, first_author=key) for key in odd)
    contents = dataclasses.replace(loaded.contents, evidence=dataclasses.replace(facts, studies=studies))
    mine = client_of(dataclasses.replace(loaded, contents=contents))
    links = re.findall(r'<a href="(/studies/[^"]+)" data-step', mine.get("/studies").text)
    assert [mine.get(unescape(link)).status_code for link in links] == [200] * 4
    assert mine.get("/studies/a%2Fb.json").json()["study"]["study_id"] == "a/b"
