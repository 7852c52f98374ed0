"""The pages in a real Chromium, over the real service: on a phone and on a desk, in both themes, with and without JavaScript.

One service and one browser serve for many looks. What strangers wrote is everywhere among what is looked at.
"""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest
import requests

from alertsync.clock import Clock
from alertsync.models import ActionKind, DecisionKind, Held, PlannedRepage, RepagedAlert
from alertsync.simulator.wire import Fault
from alertsync.store import Store
from tests.e2e.worlds import World, simulated_world
from tests.service import Service
from tests.unit.clocks import START
from tests.unit.ledgers import decision, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.browser.chrome import Browser

HOSTILE = "<script>window.owned=1</script><img src=x onerror=window.owned=1>"
TURNED = "\u202ereversed\u202c"
LONG = "x" * 5000
LINK = "javascript:window.owned=1"
WEBHOOK = {"WEBHOOK_USERNAME": "irm", "WEBHOOK_PASSWORD": "the-password-of-irm"}
LOOKS = [(375, True), (375, False), (1440, True), (1440, False)]


class Site:
    """A service with something on each of its pages, and the paths to them."""

    def __init__(self, world: World, service: Service) -> None:
        self.world = world
        self.service = service
        done_now = service.reconcile()
        done, held = world.irm.group("DiskFull").id, world.irm.group(HOSTILE).id
        self.held = held
        self.paths = (
            "/",
            "/inconsistencies",
            "/inconsistencies?show=all",
            "/inconsistencies?q=nothing+like+it",
            "/owed",
            "/owed?show=all",
            "/silences",
            "/silences?show=all",
            "/history",
            "/history?status=",
            "/history?list=actions",
            f"/alert-groups/{done}",
            f"/alert-groups/{held}",
            f"/runs/{done_now['run_id']}?show=all",
            f"/runs/{a_plan(service)}",
            "/nowhere",
            "/history?before=nonsense",
            "/api/v1/docs",
        )


def a_plan(service: Service) -> str:
    """Record a plan that would page again and end a silence in IRM; give its id."""
    labels = {"alertname": HOSTILE, "instance": LONG, "turned": TURNED}
    page = PlannedRepage(
        alert_group_id="I1",
        title=HOSTILE,
        integration_id="C1",
        receiver=LONG,
        group_labels={},
        debts=("I1/0",),
        alerts=(RepagedAlert("a", labels), RepagedAlert("b", {})),
        reason=HOSTILE,
        due_since=START,
        held=Held.DRY_RUN,
        alerts_omitted=3,
    )
    spoken = decision(
        "I2",
        DecisionKind.CONSISTENT,
        state="silenced",
        would=ActionKind.UNSILENCE,
        held=Held.DRY_RUN,
        reason=LONG,
    )
    now = Clock().now()
    kept = msgspec.structs.replace(page, held=Held.POLICY, alerts=page.alerts[:1], alerts_omitted=0)
    planned = run(
        dry_run=True,
        started_at=now,
        ended_at=now,
        decisions=(spoken,),
        repages=(page, kept),
        repages_omitted=7,
    )
    Store(service.state_dir, service.state_dir, Clock(), retention=timedelta(days=30)).save_run(planned)
    return planned.run_id


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with simulated_world() as world:
        world.fire("DiskFull", "db-1", "db-2")
        world.silence("DiskFull")
        world.fire("HighLatency", "a", "b", summary=TURNED)
        world.silence("HighLatency", instance="b", by=f"{TURNED} {HOSTILE}")
        world.fire(HOSTILE, HOSTILE, LONG, link=LINK, word=LONG, turned=TURNED)
        world.silence(HOSTILE, by=LINK, comment=f"\"'>{HOSTILE}{TURNED}{LONG}")
        # So that what is hostile stays: it is held by a brake while DiskFull is resolved.
        settings = world.settings(MAX_ACTIONS_PER_RUN="1", CONFIRM_AFTER="60", **WEBHOOK)
        with Service(tmp_path_factory.mktemp("service"), settings) as service:
            tell(service)
            yield Site(world, service)


def tell(service: Service) -> None:
    """Tell, as IRM would, of a silence that somebody hostile set."""
    user = {"id": "U1", "username": HOSTILE, "email": f"{TURNED}@{HOSTILE}"}
    event = {"type": "silence", "time": "2026-11-23T09:30:00Z", "until": None}
    body = {"event": event, "user": user, "alert_group": {"id": "I1", "title": f"{HOSTILE}{LONG}"}}
    assert service.ask("POST", "/webhook", json=body, auth=tuple(WEBHOOK.values())).status_code == 200


@pytest.fixture
def browser(chromium: Browser, site: Site) -> Browser:
    chromium.root = site.service.url
    chromium.look()
    chromium.complaints()
    return chromium


def settled(browser: Browser, path: str) -> None:
    """Open a page, and see that nothing of it is broken."""
    browser.open(path)
    missing = "404" if path == "/nowhere" else "400" if "nonsense" in path else None
    complaints = [one for one in browser.complaints() if missing is None or f"status of {missing}" not in one]
    assert complaints == [], path
    assert not browser.sticks_out(), path
    assert not browser.ask("return 'owned' in window"), path
    linked = browser.ask("return [...document.links].map(link => link.protocol)")
    assert set(linked) <= {"http:", "https:"}, path


# --- Every page -------------------------------------------------------------------------------------------


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("width", "dark"), LOOKS)
def test_every_page_is_whole_in_every_window_and_theme(
    browser: Browser, site: Site, width: int, dark: bool
) -> None:
    browser.look(width=width, dark=dark)
    for path in site.paths:
        settled(browser, path)
        ground = browser.ask("return getComputedStyle(document.documentElement).backgroundColor")
        assert ground == ("rgb(15, 16, 18)" if dark else "rgb(250, 250, 248)")
        if (width, dark) in ((375, True), (1440, False)):
            assert browser.violations() == [], path


def test_every_page_has_one_heading_one_main_and_a_place_in_the_navigation(
    browser: Browser, site: Site
) -> None:
    for path in site.paths:
        browser.open(path)
        assert len(browser.every("h1")) == 1, path
        assert len(browser.every("main")) == 1, path
        assert browser.driver.title.endswith("alertsync"), path
        if path.split("?")[0] in ("/", "/inconsistencies", "/owed", "/silences") or path == "/history":
            assert browser.one(".places [aria-current=page]").text, path


def test_what_all_pages_share_is_asked_for_once(browser: Browser) -> None:
    browser.open("/")
    browser.open("/owed")
    sent = browser.ask(
        "return performance.getEntriesByType('resource').filter(one => one.name.includes('/static/')).map(one => "
        "[one.name, one.transferSize])"
    )
    assert len(sent) >= 3
    assert {size for _, size in sent} == {0}, sent


def test_a_keyboard_reaches_the_content_first_and_sees_where_it_is(browser: Browser) -> None:
    browser.open("/")
    browser.one("body").send_keys("\ue004")  # tab
    assert browser.driver.switch_to.active_element.text == "Skip to the content"
    browser.driver.switch_to.active_element.send_keys("\ue007")  # return
    assert browser.ask("return document.activeElement.id") == "main"
    browser.one("button.primary").send_keys("")
    assert browser.ask("return getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_what_strangers_wrote_stays_text_and_is_all_there(browser: Browser, site: Site) -> None:
    browser.open("/inconsistencies?show=all")
    assert HOSTILE in browser.text()
    browser.open(f"/alert-groups/{site.held}")
    assert HOSTILE in browser.one("h1").text
    assert LINK in browser.text()
    assert TURNED in browser.text()
    assert browser.every("main script, main img") == []


def test_a_theme_that_was_chosen_stays_chosen(browser: Browser) -> None:
    browser.look(dark=False)
    browser.open("/")
    browser.one("#theme").click()
    assert browser.ask("return document.getElementById('theme').textContent").endswith("dark")
    browser.open("/owed")
    ground = "return getComputedStyle(document.documentElement).backgroundColor"
    assert browser.ask(ground) == "rgb(15, 16, 18)"
    browser.one("#theme").click()
    browser.one("#theme").click()
    assert browser.ask(ground) == "rgb(250, 250, 248)"
    assert browser.ask("return localStorage.length") == 0


def test_times_are_those_of_the_reader_with_utc_behind_them(browser: Browser) -> None:
    browser.driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Kolkata"})
    try:
        browser.open("/owed")
        shown = browser.one(".meta time:not([data-age])")
        at, title = shown.get_attribute("datetime"), shown.get_attribute("title")
        assert at is not None
        assert title is not None
        assert title.endswith(" UTC")
        local = browser.ask("const at = new Date(arguments[0]); return [at.getHours(), at.getMinutes()]", at)
        assert shown.text.endswith("{:02}:{:02}".format(*local))
        assert title[11:16] != shown.text[-5:]
        assert "Asia/" in browser.one("[data-zone]").text
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "UTC"})


# --- Filters ----------------------------------------------------------------------------------------------


def test_a_search_shows_what_it_finds_while_it_is_typed(browser: Browser) -> None:
    browser.open("/inconsistencies?show=all")
    assert len(browser.every("li.group")) == 3
    browser.one("#q").send_keys("highlat")
    browser.until(lambda: len(browser.every("li.group")) == 1, "one is left")
    assert browser.one("li.group h2").text == "HighLatency"
    assert "q=highlat" in browser.driver.current_url
    assert browser.ask("return document.activeElement.id") == "q"


def test_filters_and_links_work_without_javascript(browser: Browser, site: Site) -> None:
    browser.look(width=375, script=False)
    browser.open("/inconsistencies?show=all")
    browser.one("#q").send_keys("highlat")
    browser.press("Filter")
    assert [one.text for one in browser.every("li.group h2")] == ["HighLatency"]
    browser.one("li.group h2 a").click()
    assert browser.one("h1").text == "HighLatency"
    assert "UTC" in browser.one(".events time").text
    assert not browser.one("#theme").is_displayed()
    assert site.paths


# --- Live -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streams", ["one is free", "all are taken"])
def test_a_run_that_ends_shows_on_the_page_by_itself(browser: Browser, site: Site, streams: str) -> None:
    with contextlib.ExitStack() as taken:
        if streams == "all are taken":
            take_all_streams(browser, site, taken)
        browser.open("/")
        see_a_run_that_fails(browser, site)
    browser.complaints()  # that a stream was refused stands in the console


def take_all_streams(browser: Browser, site: Site, taken: contextlib.ExitStack) -> None:
    """Listen until nobody else may."""
    browser.driver.get("about:blank")  # what it listened to is free within moments

    def one_more() -> bool:
        answer = requests.get(f"{site.service.url}/api/v1/events", stream=True, timeout=10)
        taken.enter_context(answer)
        return answer.status_code == 503

    browser.until(one_more, "all are taken")


def see_a_run_that_fails(browser: Browser, site: Site) -> None:
    """Let a run fail, and see that the page says so without being asked."""
    before = browser.ask("return document.documentElement.dataset.run")
    # A dry run that is asked for leaves how things stand alone, so it takes a true one.
    site.world.irm.server.inject(Fault("status", status=500, times=-1, path="/alert_groups"))
    try:
        assert site.service.post_reconcile().status_code == 500
        browser.until(
            lambda: browser.ask("return document.documentElement.dataset.run") != before, "the run shows"
        )
        browser.until(lambda: "Not working: the last run failed." in browser.text(), "the failure shows")
        assert browser.one("#badge").text.endswith("Failing")
        browser.look(width=375, dark=True)
        assert not browser.sticks_out()
        assert browser.violations() == []
    finally:
        site.world.irm.server.heal()


def test_progress_shows_while_a_preview_goes_and_the_plan_after_it(browser: Browser, site: Site) -> None:
    site.world.irm.server.inject(Fault("delay", seconds=1.5, times=2, path="/alert_groups"))
    browser.open("/")
    browser.press("Preview")
    browser.until(lambda: "Reading" in browser.one("[data-phase]").text, "the phase shows")
    assert browser.one("h1").text == "Making the plan…"
    browser.until(lambda: browser.one("h1").text == "Preview: nothing was done", "the plan shows")
    assert site.world.irm.group(HOSTILE).state == "firing"
    assert "Would be resolved in IRM" in browser.text()
    assert browser.complaints() == []
    assert browser.violations() == []


def test_a_preview_shows_its_end_where_all_streams_are_taken(browser: Browser, site: Site) -> None:
    site.world.irm.server.inject(Fault("delay", seconds=1.5, times=2, path="/alert_groups"))
    with contextlib.ExitStack() as taken:
        take_all_streams(browser, site, taken)
        browser.open("/")
        browser.press("Preview")
        browser.until(lambda: browser.one("h1").text == "Preview: nothing was done", "the plan shows")
    browser.complaints()


def test_a_plan_is_carried_out_by_its_button_without_javascript_too(browser: Browser, site: Site) -> None:
    browser.look(width=375, script=False)
    browser.open("/")
    browser.press("Preview")
    browser.until(lambda: browser.one("h1").text == "Preview: nothing was done", "the plan shows")
    browser.press("Do it now")
    browser.until(lambda: browser.one("h1").text == "Success", "the answer shows")
    assert site.world.irm.group(HOSTILE).state == "resolved"
    browser.open("/owed")
    assert HOSTILE in browser.text()


# --- Silences ---------------------------------------------------------------------------------------------


def test_a_silence_is_made_and_ended_from_a_phone_without_javascript(browser: Browser, site: Site) -> None:
    group = site.world.fire("Battery", "a", "b")
    browser.look(width=375, script=False)
    browser.open(f"/alert-groups/{group.id}")
    browser.one("#comment").send_keys(HOSTILE)
    browser.press("Silence")
    browser.until(lambda: "Silenced in Alertmanager" in browser.one("[role=status]").text, "it is said")
    assert f"«{HOSTILE}»" in browser.text()
    assert "2 alerts silenced" in browser.text()
    browser.look(width=375, dark=True)
    for path in (f"/alert-groups/{group.id}?done=made", "/silences"):
        settled(browser, path)
        assert browser.violations() == [], path
    assert browser.one("button[type=submit], .groups button").text.startswith("End it")
    browser.one(".groups button").click()
    browser.until(lambda: "The silence is ended" in browser.one("[role=status]").text, "its end is said")
    assert "None of ours" in browser.text()
    assert site.service.get("/api/v1/silences?state=all").json()["items"][0]["ended_by"] == "somebody"


# --- Other states -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "dark"), [(375, True), (1440, False)])
def test_a_service_without_settings_says_which_are_missing(
    chromium: Browser, unset: Service, width: int, dark: bool
) -> None:
    chromium.root = unset.url
    chromium.look(width=width, dark=dark)
    chromium.complaints()
    for path in ("/", "/inconsistencies", "/owed", "/history", "/history?list=actions"):
        settled(chromium, path)
        assert chromium.violations() == [], path
    chromium.open("/")
    assert "Not set up: 2 settings are missing." in chromium.text()
    assert "GRAFANA_IRM_TOKEN" in chromium.text()
    assert all(not one.is_enabled() for one in chromium.every(".act button"))


@pytest.fixture(scope="module")
def unset(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("unset"), {}) as service:
        yield service


def test_a_first_start_that_reaches_nothing_says_so_and_what_to_do(
    chromium: Browser, site: Site, tmp_path_factory: pytest.TempPathFactory
) -> None:
    settings = site.world.settings(ALERTMANAGER_HOST="127.0.0.1:1", DRY_RUN="true")
    with Service(tmp_path_factory.mktemp("alone"), settings) as service:
        chromium.root = service.url
        chromium.look(width=375, dark=True)
        chromium.complaints()
        settled(chromium, "/")
        assert "Watching only: this is a dry run" in chromium.text()
        chromium.press("Reconcile now")
        chromium.until(lambda: chromium.one("h1").text == "Failed", "the failure shows")
        assert "the connection is refused: is it running, and is ALERTMANAGER_HOST right?" in chromium.text()
        assert chromium.violations() == []
