"""Which silences in Alertmanager follow IRM's: those of the ledger, and those with a sound marker that are no copies."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from alertsync.models import IrmSilence, IrmSilenceState, Ledger, Matcher, OurSilence, Silence
from alertsync.planner.markers import marker, ours, read
from tests.planner.world import NOW, alert_group, silence

GROUP = alert_group(None, state="silenced", silenced_at=NOW)
MATCHERS = (Matcher("alertname", "Disk"), Matcher("größe", "10 %]"))
KNOWN = IrmSilence("I1", "Disk", "U1", "ann@example.org", NOW, NOW, NOW + timedelta(hours=1))


def made(**more: Any) -> Silence:
    values: dict[str, Any] = {
        "matchers": MATCHERS,
        "created_by": "ann@example.org",
        "comment": f"Disk ] [x: silenced. {marker(GROUP, KNOWN, MATCHERS)}",
    }
    return silence(**(values | more))


def recognised(one: Silence, *known: IrmSilence, integrations: tuple[str, ...] = ("C1",)) -> bool:
    return one.id in ours([one], Ledger(irm_silences=known), integrations).get("I1", {})


def test_a_marker_tells_what_the_silence_follows_and_until_when() -> None:
    said = read(made())
    assert said is not None
    assert (said.alert_group_id, said.integration_id) == ("I1", "C1")
    assert (said.silenced_at, said.until) == (NOW, NOW + timedelta(hours=1))
    for_ever = msgspec.structs.replace(KNOWN, until=None)
    said = read(made(comment=marker(GROUP, for_ever, MATCHERS)))
    assert said is not None
    assert said.until is None


@pytest.mark.parametrize(
    "change",
    [
        {"matchers": (Matcher("alertname", "Disk"),)},
        {"matchers": (Matcher("alertname", "Disk", is_regex=True), MATCHERS[1])},
        {"created_by": "bob@example.org"},
        {"comment": marker(GROUP, KNOWN, MATCHERS) + " and more"},
        {"comment": marker(GROUP, KNOWN, MATCHERS).replace("I1", "I2")},
        {"comment": "[alertsync irm I1 C1 never - 0123456789ab]"},
        {"comment": "db migration"},
    ],
)
def test_what_a_person_made_of_a_copy_is_the_persons(change: dict[str, Any]) -> None:
    assert read(made()) is not None
    assert read(made(**change)) is None
    assert not recognised(made(**change))


def test_a_copy_of_one_that_had_ended_is_the_persons_and_a_late_one_of_ours_is_ours() -> None:
    over = msgspec.structs.replace(KNOWN, state=IrmSilenceState.ENDED, ended_at=NOW)
    assert recognised(made(begins=-1), over)
    assert recognised(made(begins=0.5), over)
    assert not recognised(made(begins=2), over)
    assert recognised(made(begins=2), KNOWN), "while it is followed it is ours"
    anew = msgspec.structs.replace(over, silenced_at=NOW + timedelta(minutes=1))
    assert recognised(made(begins=2), anew), "left over from the silence before"


def test_by_the_ledger_it_is_ours_whatever_its_comment_says_by_now() -> None:
    known = msgspec.structs.replace(KNOWN, silences=(OurSilence("s1", MATCHERS, NOW),))
    assert recognised(made(comment="changed by hand"), known)
    assert not recognised(made(name="s2", comment="changed by hand"), known)


def test_of_an_integration_that_this_irm_has_not_it_is_another_installations() -> None:
    assert recognised(made())
    assert not recognised(made(), integrations=("C2",))
