"""Nothing from outside runs, nothing outside the review is shown, nobody else is answered."""

import re
import runpy
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from kmeta.web.app import create_app
from kmeta.web.inline import inline_svg
from kmeta.web.pages import PAGES
from kmeta.web.render import static_files
from kmeta.web.words import doi_link

review = runpy.run_path(str(Path(__file__).parents[1] / "samples" / "web_contents.py"))["review"]
KEYS = {"/studies/": "pitt", "/analyses/": "os_60"}
ADDRESSES = [page.path + KEYS.get(page.path, "") for page in PAGES]

PAYLOADS = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<ScRiPt src=//x.example></ScRiPt>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<a href=javascript:alert(1)>x</a>",
    '"><script>alert(1)</script>',
    "'><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "' autofocus onfocus='alert(1)",
    "` onclick=alert(1) `",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "<style>*{background:url(//x.example)}</style>",
    "<link rel=stylesheet href=//x.example>",
    "<meta http-equiv=refresh content='0;url=//x.example'>",
    "<base href=//x.example>",
    "<form action=//x.example><button>x</button></form>",
    "<object data=//x.example></object>",
    "<embed src=//x.example>",
    "<math><mi xlink:href=javascript:alert(1)>x</mi></math>",
    "<details open ontoggle=alert(1)>",
    "<video><source onerror=alert(1)></video>",
    "<body onload=alert(1)>",
    "<!--><script>alert(1)</script>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<template><script>alert(1)</script></template>",
    "{{ 7*7 }}{% print(7*7) %}",
    "${7*7}#{7*7}",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#x3c;script&#x3e;alert(1)&#x3c;/script&#x3e;",
    "\u202egnp.exe",
    "\u2028<script>alert(1)</script>\u2029",
    "<\x00script>alert(1)</script>",
    "＜script＞alert(1)＜/script＞",
    "<b style='position:fixed;inset:0'>x</b>",
]
EVENT = re.compile(r"^on")


class Tags(HTMLParser):
    """Every tag with its attributes; nothing else of the page matters to a test of what can run."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, tuple(name for name, _ in attrs), dict(attrs)))


def tags(text):
    parser = Tags()
    parser.feed(text)
    return parser.found


def client_of(loaded):
    return TestClient(create_app(lambda: loaded), base_url="http://127.0.0.1:8765")


@pytest.fixture(scope="module")
def client():
    return client_of(review(n_records=12))


@pytest.fixture(scope="module")
def shapes():
    """The tags of each page of the review without any payload."""
    plain = client_of(review("x", n_records=12))
    return {
        address: [(tag, names) for tag, names, _ in tags(plain.get(address).text)] for address in ADDRESSES
    }


def test_there_are_forty_payloads():
    assert len(set(PAYLOADS)) == 40


@pytest.mark.parametrize("payload", PAYLOADS)
def test_text_from_outside_never_becomes_part_of_a_page(payload, shapes):
    mine = client_of(review(payload, n_records=12))
    for address in ADDRESSES:
        answer = mine.get(address)
        assert answer.status_code == 200
        found = tags(answer.text)
        assert [(tag, names) for tag, names, _ in found] == shapes[address], address


def test_a_template_in_the_data_is_not_run():
    page = client_of(review("{{ 7*7 }}", n_records=1)).get("/")
    assert "Treatment strategies{{ 7*7 }}" in page.text


@pytest.mark.parametrize("payload", PAYLOADS)
def test_what_is_asked_for_is_only_ever_text(payload, client):
    for address in ("/records", "/studies", "/findings"):
        for name in ("q", "box", "reason", "severity", "check", "class", "page"):
            answer = client.get(address, params={name: payload})
            assert answer.status_code in (200, 404, 422)
            found = tags(answer.text)
            scripts = [attrs.get("src", "") for tag, _, attrs in found if tag == "script"]
            assert all(src.startswith("/static/") for src in scripts)
            assert len(scripts) == 2
            assert not any(EVENT.match(attr) for _, names, _ in found for attr in names)


def test_a_page_holds_no_style_and_no_script_of_its_own(client):
    for address in ADDRESSES:
        text = client.get(address).text
        for tag, names, attrs in tags(text):
            assert tag != "style"
            assert "style" not in names
            assert not any(EVENT.match(name) for name in names)
            if tag in ("script", "link", "img"):
                assert (attrs.get("src") or attrs.get("href")).startswith("/")
        assert not re.search(r"<script[^>]*>[^<]", text)


def test_every_answer_carries_the_headers_of_safety(client, tmp_path):
    addresses = ["/", "/flow.json", "/nothing", "/static/kmeta.css", "/static/none", "/figures/prisma.svg"]
    answers = [client.get(address) for address in addresses]
    answers += [client.post("/"), client.get("/", headers={"host": "rebound.example"})]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy or "script-src" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in answer.headers
    assert "unsafe-inline" not in client.get("/").headers["content-security-policy"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
@pytest.mark.parametrize("address", ["/", "/studies/pitt", "/static/kmeta.css", "/nothing"])
def test_only_reading_is_answered(client, method, address):
    answer = client.request(method, address)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("address", ADDRESSES)
def test_head_is_answered_as_get_without_being_longer(client, address):
    assert client.head(address).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "rebound.example",
        "127.0.0.1.rebound.example",
        "localhost.rebound.example",
        "evil@127.0.0.1",
        "127.0.0.2",
        "0.0.0.0",
        "",
        "127.0.0.1:x",
        "[::1",
        "localhost\n",
    ],
)
def test_a_host_that_is_not_this_computer_is_refused(client, host):
    assert client.get("/", headers={"host": host}).status_code == 400


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8765", "localhost:1", "LOCALHOST", "[::1]:8765"])
def test_this_computer_is_answered_by_any_of_its_names(client, host):
    assert client.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "../../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/secret.txt", "..\\..\\secret.txt",
        "/etc/passwd", "%2fetc%2fpasswd", "....//secret.txt", "link.txt", "folder/inside.txt", "report.html%00.txt",
        "./report.html", "",
    ],
)  # fmt: skip
@pytest.mark.parametrize("base", ["/report/files/", "/static/", "/figures/", "/studies/"])
def test_no_path_leads_out(tmp_path, path, base):
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "report.html").write_text("<h1>Report</h1>")
    (tmp_path / "secret.txt").write_text("SECRET")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "inside.txt").write_text("SECRET")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "folder").symlink_to(tmp_path / "other")
    answer = client_of(review(report=folder)).get(base + path)
    assert "SECRET" not in answer.text
    assert "root:" not in answer.text
    assert answer.status_code in (200, 404)
    if answer.status_code == 200:
        assert base == "/report/files/"
        assert answer.text == "<h1>Report</h1>"


def test_too_long_an_address_is_refused(client):
    assert client.get("/records?q=" + "a" * 3000).status_code == 414
    assert client.get("/studies/" + "a" * 3000).status_code == 414


@settings(max_examples=60, deadline=None)
@given(
    st.text(max_size=60),
    st.sampled_from(["/records", "/studies", "/findings"]),
    st.sampled_from(["q", "box", "page", "check"]),
)
def test_no_query_is_an_error_of_ours(text, address, name):
    answer = SHARED.get(address, params={name: text})
    assert answer.status_code in (200, 404, 422)


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1, max_size=40))
def test_no_key_is_an_error_of_ours(text):
    from urllib.parse import quote

    for base in ("/studies/", "/analyses/", "/figures/", "/report/files/", "/static/", "/"):
        answer = SHARED.get(base + quote(text, safe=""))
        assert answer.status_code in (200, 404), (base, text)


SHARED = client_of(review(n_records=12))


def test_the_static_files_are_few_small_and_load_nothing_from_elsewhere():
    files = static_files()
    assert sum(len(data) for name, (data, _) in files.items() if name.endswith(".css")) < 40_000
    assert sum(len(data) for name, (data, _) in files.items() if name.endswith(".js")) < 40_000
    for name, (data, _) in files.items():
        text = data.decode().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?:|@import|url\(\s*['\"]?//", text), name


def test_text_that_is_no_doi_is_no_link():
    assert doi_link("javascript:alert(1)") == ""
    assert doi_link("10.1000/a b") == ""
    assert doi_link('10.1000/"><script>') == "https://doi.org/10.1000/%22%3E%3Cscript%3E"


@pytest.mark.parametrize(
    "inner",
    [
        "<script>alert(1)</script>", "<style>*{}</style>", '<path style="x" d=""/>', '<path onclick="x"/>',
        '<use href="http://x.example/a.svg#b"/>', '<use href="javascript:x"/>', '<image href="x.png"/>',
        "<foreignObject><p>x</p></foreignObject>", '<a href="x"><path/></a>', '<path fill="url(http://x.example)"/>',
        '<path fill="u\\72l(x)"/>', "<!-- x -->", "<![CDATA[x]]>", "<?x y?>", '<animate onbegin="x"/>', "<path>",
    ],
)  # fmt: skip
def test_a_drawing_that_does_more_than_draw_stays_out_of_the_page(inner):
    assert inline_svg(f'<svg xmlns="http://www.w3.org/2000/svg">{inner}</svg>') is None


def test_a_drawing_that_only_draws_may_stand_in_the_page():
    inner = '<defs><path id="a" d=""/></defs><use href="#a" fill="url(#b)"/>'
    drawing = f'<svg xmlns="http://www.w3.org/2000/svg">{inner}</svg>'
    assert inline_svg(drawing) == drawing
    assert inline_svg('<!DOCTYPE svg [<!ENTITY a "b">]><svg xmlns="http://www.w3.org/2000/svg"/>') is None
