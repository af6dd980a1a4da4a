"""The benchmark cases and their requirements.

The goals are those of the project. *Required* is what must hold on any machine, by the lower end of
an interval. For a GET it is nine tenths of the lower ratio of the first version on two machines:
9.6 and 7.0 times FastHttpUser, 4.9 and 3.2 times k6, 1.61 and 1.41 times hey, 0.56 and 0.48 times
wrk. Where no two machines are known, it is two fifths of the goal, since these differ by up to a
half from each other, and by as much from the goal.
"""

from functools import partial

import generators as by
from case import CPU, Case, Limit, Ratio
from generators import JOURNEY_USER, K6, LOCUST, PACED, STEADY_USERS, STRAINGAUGE, USERS
from runs import (
    CONNECTIONS,
    HELP_RUNS,
    STEADY_S,
    measure_arrivals,
    measure_connections,
    measure_help,
    measure_hour,
    measure_rate,
    measure_steady_users,
    measurements,
)
from streams import measure_k6_websockets, measure_streams

STREAMS = 1_000
STEADY_DEVIATION = 1.2 / STEADY_S  # a request more or less within the window
OPEN_RATES_PER_S = (100, 1_000, 5_000, 20_000)


def goal(peer: str, times: float, lower: float | None = None) -> Ratio:
    """Return a ratio with a goal.

    Args:
        peer: Whom ours is compared with.
        times: The goal.
        lower: The lower ratio of the first version on two machines, if they are known.
    """
    return Ratio(peer, round(0.9 * lower if lower else 0.4 * times, 2), times)


def _open_case(rate_per_s: int) -> Case:
    variables = {"VUS": by.OPEN_USERS, "RATE": rate_per_s}
    on_time = Limit("start delay, p99, ms", "start_delay_p99_ms", at_most=1)
    return Case(
        f"open_{rate_per_s}",
        f"open model, {rate_per_s:,} arrivals/s",
        measurements(
            measure_arrivals,
            by.straingauge(f"open_{rate_per_s}"),
            by.k6("open.js", variables),
            by.paced(rate_per_s),
        ),
        (
            Ratio(K6, 1, 2, (CPU,)),
            Ratio(PACED, by=(CPU,)),
            on_time,
            Limit("arrivals dropped", "dropped", at_most=0),
            Limit("arrivals not sent", "missing", at_most=0),
        ),
    )


ENGINE = (
    Case(
        "get",
        "GET of an 80-byte JSON, 50 connections",
        measurements(
            measure_rate,
            *(by.straingauge("get"), by.locust("Get"), by.k6("get.js", {"VUS": USERS}), by.k9()),
            *(by.hey(), by.wrk()),
        ),
        (
            goal(LOCUST, 10, 7.0),
            goal(K6, 6, 3.2),
            goal(by.K9, 6),
            goal(by.HEY, 2, 1.41),
            goal(by.WRK, 0.7, 0.48),
        ),
    ),
    Case(
        "mix",
        "login, list of 12 kB, detail of 8 kB: JSON parsed and checked, 50 users",
        measurements(measure_rate, by.straingauge("mix"), by.locust("Mix")),
        (goal(LOCUST, 8),),
    ),
    Case(
        "upload",
        "multipart upload of a 100 kB file, 50 users",
        measurements(measure_rate, by.straingauge("upload"), by.locust("Uploads")),
        (goal(LOCUST, 4),),
    ),
    *map(_open_case, OPEN_RATES_PER_S),
    Case(
        "http2",
        "GET of an 80-byte JSON by HTTP/2 with TLS, 50 users",
        measurements(
            measure_rate, by.straingauge("http2"), by.k6("get.js", {"VUS": USERS}, tls=True)
        ),
        (Ratio(K6),),
    ),
    Case(
        "websocket",
        "5,000 WebSockets that echo, without pauses",
        {STRAINGAUGE: partial(measure_streams, "websocket"), K6: measure_k6_websockets},
        (Ratio(K6, 1, by=(CPU,)), Limit("peak resident memory, MB", "peak_mb", at_most=300)),
        unit="messages",
    ),
    Case(
        "sse",
        "1,000 streams of server-sent events, 20 events/s each",
        {STRAINGAUGE: partial(measure_streams, "sse")},
        (
            Limit("events/s", "rate_rps", at_least=0.8 * 20 * STREAMS),  # while they open, fewer
            Limit("peak resident memory, MB", "peak_mb", at_most=300),
        ),
        once_s=12,
        unit="events",
    ),
    Case(
        "connections",
        "10,000 open connections, 1 request/s each",
        measurements(measure_connections, by.straingauge("connections")),
        (
            Limit("peak resident memory, MB", "peak_mb", at_most=300),
            Limit("open connections", "connections", at_least=CONNECTIONS),
            Limit("requests/s", "rate_rps", at_least=0.98 * CONNECTIONS),
        ),
        once_s=25,
    ),
    Case(
        "hour",
        "record of an hour at 5,000 requests/s, 10 endpoints, simulated",
        {STRAINGAUGE: measure_hour},
        (
            Limit("growth of resident memory, MB", "memory_mb", at_most=50),
            Limit("merge of 10 workers' records, s", "merge_s", at_most=0.2),
        ),
        once_s=25,
    ),
    Case(
        "help",
        "straingauge --help",
        {STRAINGAUGE: measure_help},
        (Limit(f"seconds, median of {HELP_RUNS}", "help_s", at_most=0.2),),
        once_s=3,
    ),
)


def _in_locust(key: str, title: str, user_class: str, times: float) -> Case:
    return Case(
        f"locust_{key}",
        f"in Locust: {title}, 50 users",
        measurements(
            measure_rate,
            by.journey_user(user_class),
            by.journey_user(user_class, file="journeys_locustfile.py"),
            by.locust(user_class),
        ),
        (goal(LOCUST, times),),
        ours=JOURNEY_USER,
    )


LOCUST_USER = (
    _in_locust("get", "GET of an 80-byte JSON", "Get", 8),
    _in_locust("mix", "login, list of 12 kB, detail of 8 kB: JSON parsed and checked", "Mix", 5),
    _in_locust("upload", "multipart upload of a 100 kB file", "Uploads", 4),
    Case(
        "locust_users",
        f"in Locust: {STEADY_USERS:,} users, 1 request/s each, {STEADY_S} s",
        measurements(
            measure_steady_users,
            by.journey_user("Steady", users=STEADY_USERS, file="steady_locustfile.py"),
        ),
        (
            Limit("peak resident memory, MB", "peak_mb", at_most=700),
            Limit("users", "users_seen", at_least=STEADY_USERS),
            Limit("requests/s", "rate_rps", at_least=0.98 * STEADY_USERS),
            Limit("slowest user, requests/s", "slowest_user_rps", at_least=1 - STEADY_DEVIATION),
            Limit("fastest user, requests/s", "fastest_user_rps", at_most=1 + STEADY_DEVIATION),
        ),
        once_s=45,
        ours=JOURNEY_USER,
    ),
)

PLAIN = "straingauge run"


def _export_case(key: str, export: str, title: str) -> Case:
    exporting = f"{PLAIN} with this export"
    return Case(
        f"export_{key}",
        f"cost of an export each second to {title}, {by.OPEN_RATE_PER_S:,} arrivals/s",
        measurements(
            measure_arrivals, by.straingauge_run(exporting, export), by.straingauge_run(PLAIN)
        ),
        (Ratio(PLAIN, 0.9, 0.97, (CPU,), tolerance=0.02),),
        ours=exporting,
    )


COSTS = (
    _export_case("jsonl", ".jsonl", "JSON lines"),
    _export_case("csv", ".csv", "CSV"),
    _export_case("otlp", "otlp", "OTLP"),
    _export_case("prometheus", "prometheus", "Prometheus remote write"),
    _export_case("influx", "influx", "InfluxDB"),
    _export_case("samples", ".samples.jsonl", "JSON lines of sampled requests"),
    _export_case("spans", "otlp-spans", "OTLP spans of sampled requests"),
    Case(
        "export_locust",
        "cost of an export each second to JSON lines in Locust, 50 users",
        measurements(measure_rate, by.journey_user("Get", exports=True), by.journey_user("Get")),
        (Ratio(JOURNEY_USER, 0.9, 0.97, (CPU,), tolerance=0.02),),
        ours=f"{JOURNEY_USER} with this export",
    ),
)
"""They need narrower intervals than ten minutes allow, so they run by `--only` alone."""

GROUPS = {"engine": ENGINE, "locust": LOCUST_USER, "costs": COSTS}
CASES = ENGINE + LOCUST_USER + COSTS
