"""A receiver that is away, sick, or will not have one event."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.daemon import Site, picture, until
from tests.system.inbox import Event, receiving

pytestmark = pytest.mark.system


def test_results_wait_for_the_receiver_and_arrive_in_order(tmp_path: Path) -> None:
    site = Site(tmp_path)
    names = [f"LOT{number % 2}/W01_{number:02d}.tif" for number in range(12)]
    with receiving(at_once=False) as inbox:
        site.configure(inbox.url)
        with site.running() as daemon:
            for seed, name in enumerate(names):
                (site.watched / name).parent.mkdir(exist_ok=True)
                (site.watched / name).write_bytes(picture(seed))
            until(lambda: daemon.health("destination:mes")["state"] == "degraded", 15, "breaker open")
            assert daemon.get("/readyz").is_success
            until(lambda: site.ended() == len(names), 15, "all jobs ended")
            assert "see whether the receiver is up" in daemon.health("destination:mes")["todo"]

            inbox.judge = lambda _: 500
            inbox.open()
            until(lambda: inbox.refused >= 3, 15, "tried while it answers 500")
            assert daemon.health("destination:mes")["state"] == "degraded"

            inbox.judge = lambda _: 202
            until(lambda: site.owed() == 0, 20, "all events delivered")
            until(lambda: daemon.health("destination:mes")["state"] == "ok", 10, "breaker closed")
            assert daemon.stop() == 0
    assert set(Counter(inbox.ids).values()) == {1}
    for key in ("SEM01:LOT0", "SEM01:LOT1"):
        owed = site.rows("select event_id from outbox where order_key = ? order by seq", key)
        arrived = [event["id"] for event in inbox.events if order_key(event) == key]
        assert arrived == [event_id for (event_id,) in owed]


def order_key(event: Event) -> str:
    context = event["data"]["context"]
    return f"{context['tool']}:{context['lot']}"


def test_a_refused_event_is_parked_and_lets_the_others_pass(tmp_path: Path) -> None:
    site = Site(tmp_path)
    names = [f"LOT1/W01_{number}.tif" for number in range(6)]
    (site.watched / "LOT1").mkdir(parents=True)
    with receiving() as inbox:
        inbox.judge = lambda event: 400 if "W01_2" in event["subject"] else 202
        site.configure(inbox.url)
        with site.running() as daemon:
            for seed, name in enumerate(names):
                (site.watched / name).write_bytes(picture(seed))
            until(lambda: len(inbox.events) == 5, 20, "the others delivered")
            until(lambda: parked(site), 5, "the refused one parked")
            assert daemon.health("destination:mes")["state"] == "ok"
            assert daemon.metric("semwatchd_outbox_rows", destination="mes", state="parked") in {0, 1}
            (row,) = parked(site)
            assert "W01_2" in row["subject"]
            assert "400" in row["last_error"]

            inbox.judge = lambda _: 202
            done = site.command("outbox", "retry", str(row["seq"]), "--reason", "receiver mended")
            assert done.returncode == 0, done.stderr
            until(lambda: len(inbox.events) == 6, 5, "delivered after all")
            assert daemon.stop() == 0
    assert set(Counter(inbox.ids).values()) == {1}
    assert parked(site) == []


def parked(site: Site) -> list[dict[str, str]]:
    done = site.command("outbox", "list", "--state", "parked", "--json")
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, str]] = json.loads(done.stdout)
    return rows
