"""The live page of C{twistd echoreply --web ...}, in a real browser: Chromium, headless."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect, sync_playwright

from tests.end_to_end.conftest import Start
from tests.support.processes import Server, free_port
from tests.support.tls_peers import Authority, TLSWire, client_context
from tests.support.web_clients import WEB, web_port
from tests.support.wire_contract import PATIENCE, Dial, Wire

Look = Callable[..., Page]
Scheme = Literal["light", "dark"]

QUIET = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
"""Options of the browser that keep it from requests to anything but the server."""

DESKTOP: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 360, "height": 740}

COLUMNS = ["#", "Client", "Server", "Transport", "TLS", "Age", "Messages", "Bytes in", "Bytes out", "Idle"]

REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) => console.error("violation", event.violatedDirective));
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return Debian's Chromium, or skip the test."""
    path = shutil.which("chromium")
    if not path:
        pytest.skip("chromium is not installed")
    expect.set_options(timeout=PATIENCE * 1000)
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=path, args=QUIET) as browser:
        yield browser


@pytest.fixture
def look(browser: Browser) -> Iterator[Look]:
    """
    Return a function that opens a server's page.

    After the test, fail if a page ran a script that it should not, or sent a request to anything but its server.
    """
    faults: list[str] = []
    with ExitStack() as stack:

        def look(server: Server, viewport: ViewportSize = DESKTOP, color_scheme: Scheme = "light") -> Page:
            origin = f"http://127.0.0.1:{web_port(server.log)}/"
            context = stack.enter_context(browser.new_context(viewport=viewport, color_scheme=color_scheme))
            context.set_default_timeout(PATIENCE * 1000)
            page = context.new_page()
            page.add_init_script(REPORT_VIOLATIONS)
            page.on("dialog", lambda dialog: faults.append(f"dialog: {dialog.message}"))
            page.on("pageerror", lambda error: faults.append(f"error: {error}"))
            page.on("console", lambda said: faults.append(said.text) if "violation" in said.text else None)
            page.on("request", lambda request: faults.append(request.url) if not here(request.url, origin) else None)
            page.goto(origin)
            is_live(page)
            return page

        yield look
    assert faults == []


def here(url: str, origin: str) -> bool:
    return url.startswith((origin, "data:"))


@pytest.fixture
def serve(start_as_told: Start) -> Start:
    """Return a function that starts a server with a page and some options."""
    return partial(start_as_told, WEB)


def is_live(page: Page) -> None:
    expect(page.locator("#link")).to_have_text("live")


def is_gone(page: Page) -> None:
    expect(page.locator("#link")).to_have_text(re.compile(r"gone since \d\d:\d\d:\d\d \(.*\), trying again"))


def rows(page: Page) -> Locator:
    """The rows of connections that are in the document."""
    return page.locator("#rows .rows tr")


def column(page: Page, name: str) -> Locator:
    return page.locator(f"#rows .rows td:nth-child({COLUMNS.index(name) + 1})")


def header(page: Page, name: str) -> Locator:
    return page.locator("#rows").get_by_role("columnheader", name=name, exact=True)


def name_of(client: Wire) -> str:
    """Return a client's address as the page shows it."""
    host, port = client.socket.getsockname()
    return f"{host}:{port}"


def say(client: Wire, *messages: bytes) -> None:
    """Send messages, and wait for the replies."""
    for message in messages:
        client.send(message + b"\n")
        client.expect(b"server reply:" + message + b"\n")


DRAWN = """
(canvas) => {
    const style = getComputedStyle(document.documentElement);
    const line = canvas.getContext("2d");
    line.fillStyle = style.getPropertyValue("--line-0").trim();
    const [red, green, blue] = line.fillStyle.match(/[0-9a-f]{2}/g).map((digits) => parseInt(digits, 16));
    const pixels = line.getImageData(0, 0, canvas.width, canvas.height).data;
    let found = 0;
    for (let at = 0; at < pixels.length; at += 4) {
        found += pixels[at] === red && pixels[at + 1] === green && pixels[at + 2] === blue;
    }
    return found;
}
"""
"""Count a canvas's pixels in the colour of a chart's first line."""


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_the_charts_draw_what_they_say(serve: Start, look: Look, color_scheme: Scheme) -> None:
    server = serve()
    page = look(server, color_scheme=color_scheme)
    with ExitStack() as stack:
        for _ in range(7):
            stack.enter_context(server.dial()())
        chart = page.locator("#chart-open .plot")
        expect(chart).to_have_attribute("aria-label", re.compile("Open connections, .*: now 7, at least 0, at most 7"))
        expect(page.locator("#chart-open b")).to_have_text("7")
        assert page.locator("#chart-open canvas").evaluate(DRAWN) > 0


def test_a_connection_is_shown_while_it_is_open(serve: Start, look: Look) -> None:
    server = serve()
    page = look(server)
    expect(page.get_by_text("No connection is open.")).to_be_visible()
    with server.dial()() as client:
        expect(column(page, "Client")).to_have_text([name_of(client)])
        expect(column(page, "Server")).to_have_text([f"127.0.0.1:{server.port}"])
        expect(column(page, "Transport")).to_have_text(["tcp"])
        expect(column(page, "Messages")).to_have_text(["0"])
        expect(page.locator("#total-open")).to_have_text("1")
        say(client, b"one", b"two", b"three")
        expect(column(page, "Messages")).to_have_text(["3"])
        expect(column(page, "Bytes in")).to_have_text(["14 B"])
        expect(column(page, "Bytes out")).to_have_text(["53 B"])
        expect(page.locator("#total-messages")).to_have_text("3")
        expect(page.locator("#total-received")).to_have_text("14 B")
        expect(page.get_by_role("img", name="Open connections, the last ten minutes: now 1,")).to_be_visible()
        expect(column(page, "Age")).to_have_text([re.compile("^[1-9]")])
    expect(rows(page)).to_have_count(0)
    expect(page.locator("#total-open")).to_have_text("0")
    expect(page.locator("#total-accepted")).to_have_text("1")
    expect(page.get_by_role("table", name="Ended")).to_contain_text(re.compile("closed by the client1"))


@pytest.fixture
def three(serve: Start, look: Look) -> Iterator[tuple[Page, list[str]]]:
    """
    Return a page that shows three clients, and their names.

    The first is the oldest, has been idle for longest, and has sent the least. The second uses TLS.
    """
    server = serve("--tls=0")
    page = look(server)
    dials: list[Dial] = [server.dial(), partial(TLSWire, "127.0.0.1", server.tls_port()), server.dial()]
    names = []
    with ExitStack() as stack:
        for number, dial in enumerate(dials, 1):
            client = stack.enter_context(dial())
            names.append(name_of(client))
            say(client, *[b"hello"] * number)
            expect(column(page, "Client").first).to_have_text(names[-1])
            # What the next one is younger than, and less long idle.
            for name in ("Age", "Idle"):
                expect(column(page, name).first).to_have_text(re.compile("^[1-9]"))
        yield page, names


def test_each_column_sorts(three: tuple[Page, list[str]]) -> None:
    page, names = three
    clients = column(page, "Client")
    expect(clients).to_have_text(names[::-1])
    growing, shrinking = ["1", "2", "3"], ["3", "2", "1"]
    keys = {
        "Client": names,
        "Server": column(page, "Server").all_inner_texts()[::-1],
        "Transport": ["tcp", "tls", "tcp"],
        "TLS": ["", "TLS", ""],
        "Age": shrinking,
        "Messages": growing,
        "Bytes in": growing,
        "Bytes out": growing,
        "Idle": shrinking,
        "#": growing,
    }
    assert set(keys) == set(COLUMNS)
    for name, of_clients in keys.items():
        key = dict(zip(names, of_clients, strict=True))
        is_text = name in ("Client", "Server", "Transport", "TLS")
        for order in ("ascending", "descending") if is_text else ("descending", "ascending"):
            header(page, name).get_by_role("button").click()
            expect(header(page, name)).to_have_attribute("aria-sort", order)
            expect(page.locator("th[aria-sort]")).to_have_count(1)
            # Those that are equal stay as they came, either way.
            sorted_names = sorted(names, key=key.__getitem__, reverse=order == "descending")
            expect(clients).to_have_text(sorted_names)


def test_rows_keep_their_places_while_somebody_reads_them(serve: Start, look: Look) -> None:
    server = serve()
    page = look(server)
    with server.dial()() as quiet, server.dial()() as busy:
        say(quiet, b"hello")
        say(busy, b"hello", b"hello")
        header(page, "Messages").get_by_role("button").click()
        expect(column(page, "Client")).to_have_text([name_of(busy), name_of(quiet)])
        page.locator("#rows").focus()
        say(quiet, b"hello", b"hello")
        expect(column(page, "Messages")).to_have_text(["2", "3"])
        expect(page.locator("#shown")).to_contain_text("order held")
        page.get_by_label("Filter").focus()
        expect(column(page, "Client")).to_have_text([name_of(quiet), name_of(busy)])


def test_typing_filters(three: tuple[Page, list[str]]) -> None:
    page, (first, second, third) = three
    box = page.get_by_label("Filter")
    box.press_sequentially(third)
    expect(column(page, "Client")).to_have_text([third])
    expect(page.locator("#shown")).to_contain_text("1 of 3 shown")
    expect(page.locator("#announcer")).to_contain_text("1 of 3 shown")
    box.fill("tlsV1.")
    expect(column(page, "Client")).to_have_text([second])
    box.fill("nobody")
    expect(rows(page)).to_have_count(0)
    expect(page.get_by_text("No connection matches the filter.")).to_be_visible()
    box.press("Escape")
    expect(box).to_have_value("")
    expect(column(page, "Client")).to_have_text([third, second, first])


def test_all_works_by_keyboard(three: tuple[Page, list[str]]) -> None:
    page, (first, second, third) = three

    def tab_to(target: Locator) -> None:
        expect(target).to_have_count(1)
        for _ in range(30):
            page.keyboard.press("Tab")
            if target.evaluate("node => node === document.activeElement"):
                return
        pytest.fail("the keyboard does not reach it")

    tab_to(page.get_by_label("Filter"))
    tab_to(page.get_by_role("region", name="Connections").and_(page.locator("#rows")))
    tab_to(header(page, "Messages").get_by_role("button"))
    page.keyboard.press("Enter")
    expect(column(page, "Client")).to_have_text([third, second, first])
    page.keyboard.press("Space")
    expect(column(page, "Client")).to_have_text([first, second, third])
    page.keyboard.press("/")
    page.keyboard.type(second)
    expect(column(page, "Client")).to_have_text([second])
    page.keyboard.press("Escape")
    expect(rows(page)).to_have_count(3)
    tab_to(page.get_by_role("region", name="Listeners").and_(page.locator("[tabindex]")))
    tab_to(page.get_by_role("link", name="metrics"))


class TestTheServer:
    """The page when its server stops, restarts, hangs or refuses it."""

    def test_comes_back_by_another_process(self, start_as_told: Start, look: Look) -> None:
        port, web = free_port(), free_port()
        options = f"--web=tcp:{web}:interface=127.0.0.1"
        start = partial(start_as_told, options, listen=f"tcp:{port}:interface=127.0.0.1")
        server = start()
        page = look(server)
        with server.dial()() as client:
            say(client, b"before")
            expect(page.locator("#total-messages")).to_have_text("1")
        server.stop()
        is_gone(page)
        expect(page.locator("#announcer")).to_have_text("The server is gone. Trying again.")
        expect(page).to_have_title(re.compile("^gone"))
        expect(page.locator("#server-state")).to_have_text("was accepting")
        server = start()
        is_live(page)
        expect(page.locator("#announcer")).to_have_text(re.compile("accepting"))
        expect(page.locator("#total-accepted")).to_have_text("0")
        expect(rows(page)).to_have_count(0)
        with server.dial()() as client:
            say(client, b"after", b"that")
            expect(column(page, "Client")).to_have_text([name_of(client)])
            expect(column(page, "Messages")).to_have_text(["2"])

    def test_hangs_for_a_while(self, serve: Start, look: Look) -> None:
        server = serve()
        page = look(server)
        server.pause()
        is_gone(page)
        server.resume()
        is_live(page)

    def test_refuses_the_stream_for_a_while(self, serve: Start, look: Look) -> None:
        server = serve()
        page = look(server)
        page.route("**/events", lambda route: route.fulfill(status=503))
        server.pause()
        with page.expect_response(lambda response: response.status == 503):
            is_gone(page)
        server.resume()
        page.unroute("**/events")
        is_live(page)

    def test_is_left_alone_while_nobody_sees_the_page(self, serve: Start, look: Look) -> None:
        page = look(serve())
        hide = """hidden => {
            Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }"""
        with page.expect_event("requestfailed", lambda request: request.url.endswith("/events")):
            page.evaluate(hide, True)
        expect(page.locator("#link")).to_have_text("connecting")
        page.evaluate(hide, False)
        is_live(page)


def test_what_a_client_sends_is_never_markup(serve: Start, look: Look, tmp_path: Path) -> None:
    hostile = "<img src=x onerror=alert(1)><script>alert(2)"
    clients = Authority(tmp_path, "clients")
    server = serve("--tls=0", f"--client-ca={clients.path}")
    page = look(server)
    before = page.locator("img, svg, script").count()
    context = client_context(clients.sign(hostile))
    with TLSWire("127.0.0.1", server.tls_port(), context=context) as client:
        say(
            client,
            b"</td><img src=x onerror=alert(3)>",
            b"</script><script>alert(4)</script>",
            b'"><svg onload=alert(5)>',
        )
        expect(column(page, "TLS")).to_have_text([re.compile("onerror.*alert.*script")])
        expect(column(page, "Messages")).to_have_text(["3"])
        page.get_by_label("Filter").fill("onerror")
        expect(rows(page)).to_have_count(1)
        assert page.locator("img, svg, script").count() == before
        assert "alert(3)" not in page.content()


@pytest.mark.parametrize("how", ["light", "dark", "phone", "gone"])
def test_axe_finds_nothing(how: str, serve: Start, look: Look) -> None:
    server = serve("--tls=0", "--max-connections=2")
    page = look(server, PHONE if how == "phone" else DESKTOP, "dark" if how in ("dark", "gone") else "light")
    with server.dial()(), TLSWire("127.0.0.1", server.tls_port()), server.dial()() as refused:
        refused.read_all()
        expect(rows(page)).to_have_count(2)
        expect(page.get_by_role("table", name="Refused")).to_contain_text("too many connections")
        if how == "gone":
            server.pause()
            is_gone(page)
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()


def test_a_phone_shows_it_without_scrolling_sideways(serve: Start, look: Look) -> None:
    server = serve("--tls=0")
    page = look(server, PHONE)
    with TLSWire("127.0.0.1", server.tls_port()):
        expect(rows(page)).to_have_count(1)
        assert page.evaluate("document.scrollingElement.scrollWidth") == PHONE["width"]
        table = page.locator("#rows")
        assert table.evaluate("node => node.scrollWidth > node.clientWidth"), "the table scrolls within itself"


@pytest.mark.usefixtures("many_descriptors")
def test_ten_thousand_connections_need_few_rows(serve: Start, look: Look) -> None:
    many = 10_000
    server = serve("--log-messages=0")
    page = look(server)
    with ExitStack() as stack:
        clients = [stack.enter_context(server.dial()()) for _ in range(many)]
        expect(page.locator("#shown")).to_contain_text("10,000 of 10,000 shown")
        expect(page.get_by_role("table", name="Connections")).to_have_attribute("aria-rowcount", "10001")
        assert rows(page).count() < 100
        page.locator("#rows").focus()
        page.keyboard.press("End")
        expect(rows(page).last).to_be_in_viewport()
        expect(rows(page).last).to_have_attribute("aria-rowindex", "10001")
        expect(column(page, "Client").last).to_have_text(name_of(clients[0]))
        page.keyboard.press("Home")
        say(clients[5000], b"hello")
        header(page, "Messages").get_by_role("button").click()
        expect(column(page, "Client").first).to_have_text(name_of(clients[5000]))
        header(page, "#").get_by_role("button").click()
        header(page, "#").get_by_role("button").click()
        expect(column(page, "Client").first).to_have_text(name_of(clients[0]))
        page.get_by_label("Filter").fill(name_of(clients[7000]))
        expect(column(page, "Client")).to_have_text([name_of(clients[7000])])
        assert rows(page).count() < 100
