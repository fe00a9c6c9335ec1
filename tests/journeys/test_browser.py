"""A reader's way through the app in Chromium: keys, narrow screens, dark pages, no script, print."""

import runpy
import shutil
import threading
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

SAMPLE = Path(__file__).parents[1] / "samples" / "web_contents.py"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ADDRESSES = ["/", "/records", "/studies", "/studies/pitt", "/findings", "/analyses", "/analyses/os_60"]
ADDRESSES += ["/published", "/strategy", "/report", "/nothing"]
LONG = " " + "verylongwordwithoutanyspace" * 8 + " <b>x</b>"


@pytest.fixture(scope="module")
def served():
    """The sample on a port of its own: as it is at /, and with long words everywhere."""
    import uvicorn

    from kmeta.web.app import create_app
    from kmeta.web.server import listen

    review = runpy.run_path(str(SAMPLE))["review"]
    running, addresses = [], {}
    for name, text in (("plain", ""), ("long", LONG)):
        shown, listening = review(text, n_records=120), listen(0)
        app = create_app(lambda shown=shown: shown)
        one = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="error", ws="none"))
        thread = threading.Thread(target=one.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        running.append((one, thread, listening))
        addresses[name] = f"http://127.0.0.1:{listening.getsockname()[1]}"
    yield addresses
    for one, thread, listening in running:
        one.should_exit = True
        thread.join(10)
        listening.close()


@pytest.fixture(scope="module")
def chromium():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM:
        pytest.skip("no Chromium on this machine")
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium, served):
    context = chromium.new_context(base_url=served["plain"], viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.said = []
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    yield page
    context.close()


def test_no_page_asks_for_anything_that_the_policy_refuses(page, served):
    elsewhere = []
    page.on("request", lambda request: elsewhere.append(request.url))
    for address in ADDRESSES[:-1]:
        page.goto(address)
    assert page.said == []
    assert all(url.startswith(served["plain"]) for url in elsewhere)


@pytest.mark.parametrize("width", [1440, 720, 390, 320])
def test_no_page_scrolls_sideways(chromium, served, width):
    for name in ("plain", "long"):
        context = chromium.new_context(
            base_url=served[name], viewport={"width": width, "height": 844}, has_touch=width < 700
        )
        page = context.new_page()
        for address in ADDRESSES:
            page.goto(address)
            room = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert room <= 0, (name, address, width)
        context.close()


def test_the_keys_of_the_home_page(page):
    page.goto("/")
    page.keyboard.press("n")
    page.wait_for_url("**/findings?severity=error")
    page.keyboard.press("g")
    page.keyboard.press("h")
    page.wait_for_url(lambda url: url.endswith("/"))
    page.keyboard.press("2")
    page.wait_for_url("**/findings?severity=warning")
    page.keyboard.press("g")
    page.keyboard.press("x")
    page.wait_for_url("**/studies")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/studies/saxena2011")
    page.keyboard.press("/")
    page.wait_for_url("**/records#q")
    assert page.evaluate("document.activeElement.id") == "q"


def test_arrows_go_from_box_to_box_of_the_flow(page):
    page.goto("/")
    page.focus("a.box[href='/records?box=identified']")
    seen = []
    for key in ("ArrowRight", "ArrowLeft", "ArrowDown"):
        page.keyboard.press(key)
        seen.append(page.evaluate("document.activeElement.getAttribute('href')"))
    assert seen == ["/records?box=removed", "/records?box=identified", "/records?box=screened"]


def test_letters_typed_into_a_field_are_letters(page):
    page.goto("/records")
    page.keyboard.press("/")
    page.keyboard.type("ghn1?")
    assert page.input_value("#q") == "ghn1?"
    assert page.url.endswith("/records")


def test_the_list_of_keys_opens_closes_and_switches_letters_off(page):
    page.goto("/")
    page.keyboard.press("?")
    assert page.is_visible("#keys")
    page.uncheck("#letters")
    page.keyboard.press("Escape")
    assert page.is_hidden("#keys")
    page.keyboard.press("n")
    page.goto("/findings")
    page.keyboard.press("g")
    page.keyboard.press("h")
    assert page.url.endswith("/findings")


def test_on_a_finding_o_opens_its_study(page):
    page.goto("/findings")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("o")
    page.wait_for_url("**/studies/mayo2011")


def test_the_theme_is_switched_and_remembered(page):
    page.goto("/")
    paper = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(paper)
    page.check("#theme-dark", force=True)
    dark = page.evaluate(paper)
    assert dark != light
    page.goto("/studies")
    assert page.evaluate(paper) == dark


def test_every_page_reads_without_scripts_and_the_theme_and_keys_still_open(chromium, served):
    context = chromium.new_context(base_url=served["plain"], java_script_enabled=False)
    page = context.new_page()
    for address in ADDRESSES:
        page.goto(address)
        assert page.is_visible("h1")
    page.goto("/")
    page.click("button[popovertarget=keys]")
    assert page.is_visible("#keys")
    page.goto("/records")
    page.fill("#q", "report 7")
    page.click("form.search button")
    assert "q=report+7" in page.url
    page.goto("/studies/pitt")
    page.click("details.prov >> nth=0")
    assert page.is_visible("details.prov[open] dl")
    context.close()


def test_payloads_do_not_run_in_a_real_browser(chromium, served, tmp_path):
    import uvicorn

    from kmeta.web.app import create_app
    from kmeta.web.server import listen

    text = "</title></script><script>document.body.id='ran'</script><img src=x onerror=\"document.body.id='ran'\">"
    shown = runpy.run_path(str(SAMPLE))["review"](text, n_records=5, report=tmp_path)
    (tmp_path / "report.html").write_text("<body><h1>Report</h1><script>document.body.id='ran'</script>")
    listening = listen(0)
    one = uvicorn.Server(
        uvicorn.Config(create_app(lambda: shown), lifespan="off", log_level="error", ws="none")
    )
    thread = threading.Thread(target=one.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    page = chromium.new_page()
    for address in (
        *ADDRESSES,
        "/figures/forest-os-60.svg",
        "/report/files/report.html",
        "/records?q=" + text,
    ):
        page.goto(f"http://127.0.0.1:{listening.getsockname()[1]}{address}")
        assert page.evaluate("document.documentElement.querySelector('#ran')") is None
    page.close()
    one.should_exit = True
    thread.join(10)
    listening.close()


def test_print_leaves_out_what_is_no_content(page):
    page.goto("/")
    page.emulate_media(media="print")
    assert page.is_hidden("header.bar")
    assert page.is_visible("a.included")
