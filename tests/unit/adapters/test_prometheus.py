from __future__ import annotations

import threading

from prometheus_client.parser import text_string_to_metric_families

from semwatchd.adapters.prometheus import GaugeSnapshot, PrometheusTelemetry, WorkerGauges
from semwatchd.core.job import DeliveryState, ErrorClass, JobState
from semwatchd.core.ports import Telemetry
from tests.deliveries import a_job
from tests.fakes import FakeClock

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def telemetry(now: GaugeSnapshot | None = None) -> PrometheusTelemetry:
    made = PrometheusTelemetry(
        destinations=["mes"], gauges=lambda: now or GaugeSnapshot(), clock=FakeClock(1000.0)
    )
    made.expect(tools=["sem1"], roots=["/data/sem1"], shares=["/data/sem1"])
    return made


def samples(source: PrometheusTelemetry) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(source.render().decode())
        for sample in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float:
    return found[f"semwatchd_{name}", frozenset(labels.items())]


def test_it_is_the_port() -> None:
    port: Telemetry = telemetry()
    port.beat("relay.mes")
    port.rest("relay.mes")
    port.canary("/data/sem1", 0.1)
    port.share_helper_lost("/data/sem1", "hang")
    port.share_helper_stuck("/data/sem1", stuck=True)


def test_known_series_start_at_zero() -> None:
    found = samples(telemetry())
    assert value(found, "images_processed_total", tool="sem1", outcome="ok") == 0
    assert value(found, "mes_requests_total", destination="mes", outcome="parked") == 0
    assert value(found, "watcher_overflows_total", root="/data/sem1") == 0
    assert value(found, "jobs", state="quarantined") == 0
    assert value(found, "breaker_state", destination="mes", state="closed") == 1
    assert value(found, "image_e2e_seconds_count", tool="sem1") == 0


def test_events_are_counted_under_their_labels() -> None:
    source = telemetry()
    source.sighted("sem1", "event")
    source.job_ended(a_job(), JobState.STORED, None)
    source.job_ended(a_job(), JobState.RETRY_WAIT, ErrorClass.TASK)
    source.job_ended(a_job(), JobState.QUARANTINED, ErrorClass.DATA)
    source.job_timed("sem1", {"read": 20.0}, 2.5)
    source.worker_restarted("crash")
    source.delivery("mes", "delivered", 0.02)
    source.breaker("mes", "open")
    source.beat("intake")
    found = samples(source)
    assert value(found, "images_detected_total", tool="sem1", how="event") == 1
    assert value(found, "images_processed_total", tool="sem1", outcome="ok") == 1
    assert value(found, "images_processed_total", tool="sem1", outcome="quarantined") == 1
    assert value(found, "retries_total", tool="sem1", error_class="task") == 1
    assert value(found, "errors_total", tool="sem1", error_class="data") == 1
    assert value(found, "last_image_timestamp_seconds", tool="sem1") == 1000.0
    assert value(found, "image_e2e_seconds_sum", tool="sem1") == 2.5
    assert value(found, "stage_seconds_sum", stage="read") == 0.02
    assert value(found, "worker_restarts_total", reason="crash") == 1
    assert value(found, "mes_requests_total", destination="mes", outcome="delivered") == 1
    assert value(found, "breaker_state", destination="mes", state="open") == 1
    assert value(found, "breaker_state", destination="mes", state="closed") == 0
    assert value(found, "loop_last_beat_timestamp_seconds", loop="intake") == 1000.0


def test_gauges_are_read_at_the_scrape() -> None:
    now = GaugeSnapshot(
        jobs={JobState.QUEUED: 4},
        outbox={("mes", DeliveryState.PARKED): 2},
        outbox_oldest_age_s={"mes": 12.5},
        queue_depth=4,
        queue_capacity=64,
        workers={"0": WorkerGauges(rss_bytes=2**27, cpu_s=7.5)},
        disk_free_bytes={"journal": 10**9},
        disk_level={"journal": 2},
    )
    found = samples(telemetry(now))
    assert value(found, "jobs", state="queued") == 4
    assert value(found, "outbox_rows", destination="mes", state="parked") == 2
    assert value(found, "outbox_oldest_age_seconds", destination="mes") == 12.5
    assert value(found, "queue_capacity") == 64
    assert value(found, "worker_rss_bytes", worker="0") == 2**27
    assert value(found, "worker_cpu_seconds_total", worker="0") == 7.5
    assert value(found, "disk_free_bytes", disk="journal") == 10**9
    assert value(found, "disk_level", disk="journal") == 2


def test_one_configuration_is_in_force_and_its_last_reload_is_judged() -> None:
    source = telemetry()
    source.config_loaded("aaaa")
    source.config_loaded("bbbb")
    found = samples(source)
    assert [dict(labels) for name, labels in found if name == "semwatchd_config_info"] == [{"hash": "bbbb"}]
    assert value(found, "config_reload_success") == 1
    source.config_refused()
    found = samples(source)
    assert value(found, "config_reload_success") == 0
    assert value(found, "config_info", hash="bbbb") == 1


def test_a_tool_that_comes_later_starts_at_zero_and_the_others_go_on() -> None:
    source = telemetry()
    source.sighted("sem1", "scan")
    source.job_ended(a_job(), JobState.STORED, None)
    source.expect(tools=["sem1", "sem2"], roots=["/data/sem1", "/data/sem2"], shares=[])
    found = samples(source)
    assert value(found, "images_processed_total", tool="sem1", outcome="ok") == 1
    assert value(found, "images_processed_total", tool="sem2", outcome="ok") == 0
    assert source.images_ended == 1


def test_a_loop_at_rest_is_not_missed() -> None:
    source = telemetry()
    source.beat("intake./data/sem1")
    source.rest("intake./data/sem1")
    source.rest("never heard of")
    assert source.oldest_beat_s() == 0.0
    assert not any(name.endswith("last_beat_timestamp_seconds") for name, _ in samples(source))


def test_the_helpers_of_a_share_are_counted_from_zero() -> None:
    source = telemetry()
    assert value(samples(source), "share_helpers_lost_total", root="/data/sem1", reason="crash") == 0
    source.share_helper_lost("/data/sem1", "hang")
    source.share_helper_stuck("/data/sem1", stuck=True)
    found = samples(source)
    assert value(found, "share_helpers_lost_total", root="/data/sem1", reason="hang") == 1
    assert value(found, "share_helper_stuck", root="/data/sem1") == 1


def test_a_canary_that_is_no_more_has_no_latency() -> None:
    source = telemetry()
    source.canary("/data/sem1", 0.25)
    assert value(samples(source), "canary_latency_seconds", root="/data/sem1") == 0.25
    source.canary("/data/sem1", None)
    source.canary("/data/sem1", None)
    assert not any(name.endswith("canary_latency_seconds") for name, _ in samples(source))


def test_only_tools_that_are_watched_are_silent() -> None:
    source = telemetry()
    source.silences({"sem1": 30.0, "sem2": 60.0})
    source.silences({"sem2": 70.0})
    found = samples(source)
    assert value(found, "tool_silence_seconds", tool="sem2") == 70
    assert not any(dict(labels).get("tool") == "sem1" for name, labels in found if "silence" in name)


def test_hostile_names_do_not_break_the_page() -> None:
    source = telemetry()
    for name in ("\udcff", 'a"b\\c\nd', "센터", ""):
        source.sighted(name, "scan")
        source.watcher_overflowed(name)
    assert value(samples(source), "images_detected_total", tool='a"b\\c\\x0ad', how="scan") == 1


def test_counting_from_many_threads_loses_nothing() -> None:
    source = telemetry()

    def count() -> None:
        for _ in range(200):
            source.sighted("sem1", "event")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        source.render()
        thread.join()
    assert value(samples(source), "images_detected_total", tool="sem1", how="event") == 800
