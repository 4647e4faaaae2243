from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semwatchd.core.errors import BreakerOpenError, PermanentRejection, TransientError
from semwatchd.core.job import DeliveryState
from semwatchd.core.ports import Event
from semwatchd.engine.relay import Relay, RelaySettings
from tests.deliveries import an_event
from tests.fakes import FakeClock, ListLog, MemoryOutbox, RecordingMes, RecordingTelemetry

PENDING, RETRY_WAIT = DeliveryState.PENDING, DeliveryState.RETRY_WAIT
DELIVERED, PARKED = DeliveryState.DELIVERED, DeliveryState.PARKED
SENDING = DeliveryState.SENDING


class Bench:
    """A relay between an outbox and a receiver, with everything that can be seen of them."""

    def __init__(
        self, *keys: str, answer: Callable[[Event], object] = lambda _: None, **tuning: float
    ) -> None:
        self.outbox = MemoryOutbox()
        for seq, key in enumerate(keys, start=1):
            self.outbox.add(an_event(seq, key=key))
        self.mes = RecordingMes(answer)
        self.clock = FakeClock()
        self.telemetry = RecordingTelemetry()
        self.log = ListLog()
        self.relay = self.new_relay(**tuning)

    def new_relay(self, **tuning: float) -> Relay:
        return Relay(
            "mes",
            self.mes,
            self.outbox,
            RelaySettings.model_validate(tuning),
            telemetry=self.telemetry,
            log=self.log,
            clock=self.clock,
            jitter=lambda: 1.0,
        )

    def asked(self) -> list[int]:
        return [event.seq for event in self.mes.sent]


def refusing(error: Exception, *seqs: int) -> Callable[[Event], object]:
    def answer(event: Event) -> None:
        if event.seq in seqs:
            raise error

    return answer


def test_events_are_delivered_in_order_and_counted() -> None:
    bench = Bench("a", "b", "a")
    assert bench.relay.step() == 3
    assert bench.asked() == [1, 2, 3]
    assert bench.outbox.states() == [DELIVERED] * 3
    assert [outcome for _, outcome, _ in bench.telemetry.named("delivery")] == ["delivered"] * 3
    assert bench.relay.step() == 0


def test_a_transient_failure_holds_back_its_own_key_only() -> None:
    bench = Bench("a", "a", "b", "a", answer=refusing(TransientError("busy"), 1))
    assert bench.relay.step() == 1
    assert bench.asked() == [1, 3]
    assert bench.outbox.states() == [RETRY_WAIT, PENDING, DELIVERED, PENDING]
    assert [row.event.attempts for row in bench.outbox.rows.values()] == [1, 0, 1, 0]
    bench.mes.answer = lambda _: None
    assert bench.relay.step() == 0
    bench.clock.advance(2.0)
    assert bench.relay.step() == 3
    assert bench.asked() == [1, 3, 1, 2, 4]


def test_a_refusal_parks_the_event_and_frees_its_key() -> None:
    bench = Bench("a", "a", answer=refusing(PermanentRejection("no such lot"), 1))
    assert bench.relay.step() == 2
    assert bench.outbox.states() == [PARKED, DELIVERED]
    assert bench.outbox.rows[1].error == "no such lot"
    assert [(level, event) for level, event, _ in bench.log.lines] == [("error", "delivery_parked")]


def test_an_open_breaker_gives_the_rest_back_at_no_cost() -> None:
    bench = Bench("a", "b", "c", answer=refusing(BreakerOpenError("open", 30.0), 2))
    assert bench.relay.step() == 1
    assert bench.asked() == [1, 2]
    assert bench.outbox.states() == [DELIVERED, PENDING, PENDING]
    assert [row.event.attempts for row in bench.outbox.rows.values()] == [1, 0, 0]
    assert len(bench.telemetry.named("delivery")) == 1


def test_waits_double_up_to_fifteen_minutes() -> None:
    bench = Bench("a", answer=refusing(TransientError("busy"), 1))
    waits = []
    for _ in range(12):
        bench.relay.step()
        waits.append(bench.outbox.rows[1].not_before - bench.clock())
        bench.clock.now = bench.outbox.rows[1].not_before
    assert waits == pytest.approx([2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900])


@pytest.mark.parametrize(("asked_s", "wait_s"), [(60.0, 60.0), (0.5, 2.0), (1e9, 900.0)])
def test_the_receivers_own_time_is_honoured_within_bounds(asked_s: float, wait_s: float) -> None:
    bench = Bench("a", answer=refusing(TransientError("busy", asked_s), 1))
    bench.relay.step()
    assert bench.outbox.rows[1].not_before - bench.clock() == pytest.approx(wait_s)


def test_too_many_tries_park_the_event() -> None:
    bench = Bench("a", answer=refusing(TransientError("busy"), 1), max_attempts=3)
    for _ in range(3):
        bench.relay.step()
        bench.clock.advance(1000.0)
    assert bench.outbox.states() == [PARKED]
    assert bench.outbox.rows[1].error == "given up after 3 tries: busy"
    assert len(bench.mes.sent) == 3


def test_one_strange_event_does_not_stop_the_others() -> None:
    bench = Bench("a", "b", "a", answer=refusing(KeyError("lot"), 1))
    for _ in range(4):
        bench.relay.step()
        bench.clock.advance(1000.0)
    assert bench.outbox.states() == [PARKED, DELIVERED, DELIVERED]
    assert "KeyError" in str(bench.outbox.rows[1].error)


def test_the_reason_kept_with_an_event_is_short_and_can_be_written_as_utf8() -> None:
    bench = Bench("a", answer=refusing(PermanentRejection("no folder /data/\udcff" + "." * 9000), 1))
    bench.relay.step()
    reason = str(bench.outbox.rows[1].error)
    assert reason.startswith("no folder /data/\\xff..")
    assert len(reason) <= 500


def test_a_journal_in_trouble_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench("a")

    def broken(*_: object) -> None:
        raise OSError("disk")

    monkeypatch.setattr(bench.outbox, "settle", broken)
    with pytest.raises(OSError, match="disk"):
        bench.relay.step()


def test_verdicts_are_settled_while_a_slow_batch_goes_on() -> None:
    bench = Bench(*"abcdefgh")
    bench.mes.answer = lambda _: bench.clock.advance(0.06)
    bench.relay.step()
    assert [len(group) for group in bench.outbox.settlements] == [4, 4]


def test_a_fast_batch_is_settled_once() -> None:
    bench = Bench(*"abcdefgh")
    bench.relay.step()
    assert [len(group) for group in bench.outbox.settlements] == [8]


def test_a_crash_between_send_and_settle_sends_the_same_event_again() -> None:
    bench = Bench("a", "a")

    def crash(event: Event) -> None:
        if event.seq == 2:
            raise KeyboardInterrupt  # nothing may settle after it, as after SIGKILL

    bench.mes.answer = crash
    with pytest.raises(KeyboardInterrupt):
        bench.relay.step()
    assert bench.outbox.states() == [SENDING, SENDING]
    bench.outbox.restart()
    bench.mes.answer = lambda _: None
    assert bench.new_relay().step() == 2
    ids = [event.event_id for event in bench.mes.sent]
    assert ids[:2] == ids[2:]
    assert bench.outbox.states() == [DELIVERED, DELIVERED]


def test_stopping_in_the_middle_of_a_batch_gives_the_rest_back() -> None:
    bench, stop = Bench("a", "b", "c"), threading.Event()
    bench.mes.answer = lambda _: stop.set()
    bench.relay.run(stop)
    assert bench.asked() == [1]
    assert bench.outbox.states() == [DELIVERED, PENDING, PENDING]


def test_running_it_sleeps_until_it_is_woken() -> None:
    bench, stop = Bench(poll_s=10), threading.Event()
    bench.mes.answer = lambda _: stop.set()
    running = threading.Thread(target=bench.relay.run, args=(stop,))
    running.start()
    bench.outbox.add(an_event(1))
    while running.is_alive():
        bench.relay.wake()
        running.join(0.01)
    assert bench.outbox.states() == [DELIVERED]


def test_an_open_breaker_makes_the_sender_rest_but_not_fall_silent() -> None:
    bench, stop = Bench("a", poll_s=0.01), threading.Event()
    tries = []

    def answer(_: Event) -> None:
        tries.append(len(bench.telemetry.named("beat")))
        if len(tries) == 1:
            raise BreakerOpenError("open", 0.05)
        stop.set()

    bench.mes.answer = answer
    bench.relay.run(stop)
    assert bench.outbox.states() == [DELIVERED]
    assert tries[1] - tries[0] >= 4


ANSWERS = st.sampled_from(["accept", "accept", "busy", "refuse", "open", "strange", "crash"])


class CrashError(BaseException):
    """The process ends here; nothing after it is written."""


@settings(max_examples=150, derandomize=True, deadline=None)
@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=12), st.lists(ANSWERS, max_size=40))
def test_whatever_happens_nothing_is_lost_and_no_key_is_overtaken(
    keys: list[str], answers: list[str]
) -> None:
    troubles: dict[str, BaseException] = {
        "busy": TransientError("busy"),
        "refuse": PermanentRejection("no"),
        "open": BreakerOpenError("open", 5.0),
        "strange": ValueError("?"),
        "crash": CrashError(),
    }
    script = iter(answers)

    def answer(_: Event) -> None:
        trouble = troubles.get(next(script, "accept"))
        if trouble is not None:
            raise trouble

    bench = Bench(*keys, answer=answer, batch=5)
    for _ in range(200):
        try:
            bench.relay.step()
        except CrashError:
            bench.outbox.restart()
        bench.clock.advance(1000.0)
    assert set(bench.outbox.states()) <= {DELIVERED, PARKED}
    for key in set(keys):
        first_accepted = list(
            dict.fromkeys(seq for seq in map(_seq, bench.mes.accepted) if keys[seq - 1] == key)
        )
        assert first_accepted == sorted(first_accepted)
    delivered = {seq for seq, row in bench.outbox.rows.items() if row.state is DELIVERED}
    assert delivered <= set(map(_seq, bench.mes.accepted))


def _seq(event_id: str) -> int:
    return int(event_id[-12:])
