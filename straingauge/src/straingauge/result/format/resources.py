"""The observations in a result; `schemas/result-1.schema.json` describes each field."""

from typing import Literal, NotRequired, TypedDict

from straingauge.result.format.limits import GeneratorLimits, Limits
from straingauge.result.format.loop_thread import LoopThread


class Shares(TypedDict):
    """CPU time in percent of one core: average over all samples, and the highest between two."""

    avg: float
    peak: float


class Trend(TypedDict):
    """A Theil-Sen slope with its 95 % confidence interval."""

    slope: float
    low: float
    high: float


class Extremes(TypedDict):
    """The first value, the highest, the last."""

    initial: float
    peak: float
    final: float


class Level(Extremes):
    """Extremes, with the trend of the lowest values per 1000 requests."""

    trend_per_1000_requests: Trend | None


class Memory(TypedDict):
    """Memory of the serving processes; 1 MB is 10^6 bytes."""

    initial_mb: float
    peak_mb: float
    final_mb: float
    growth_mb: float
    growth_mb_per_200_requests: float | None
    trend_mb_per_200_requests: Trend | None
    later_trend_mb_per_200_requests: Trend | None
    bytes_per_request: Trend | None
    still_growing: bool
    uss_peak_mb: float | None


class Helpers(TypedDict):
    """Processes of the service that do not listen on its port."""

    processes: Extremes | None
    memory_peak_mb: float | None


class Restarts(TypedDict):
    """Serving processes that started and exited during the load."""

    started: int
    exited: int


class EventLoop(TypedDict):
    """Blocks of the service's event loops during the load."""

    blocks: int | None
    blocked_s: float | None
    longest_ms: float | None


class Calls(TypedDict):
    """Calls to another program: those without a response, on average over all samples."""

    host: str
    program: str | None
    samples: int
    waiting_avg: float
    waiting_peak: int
    longest_ms: float
    exchanges: NotRequired[int]
    sent_bytes: NotRequired[int]


class Runtime(TypedDict):
    """The language of the service's process, and the product of its `Server` header."""

    language: str | None
    server: str | None


class Service(TypedDict):
    """The processes that listen on the service's port."""

    source: Literal["process", "metrics", "nothing"]
    memory: Memory | None
    cpu_percent: Shares | None
    cpu_wait_percent: NotRequired[Shares | None]
    busiest_thread_percent: NotRequired[Shares | None]
    processes: Extremes | None
    threads: Level | None
    open_files: Level | None
    helpers: Helpers
    restarts: Restarts | None
    event_loop: EventLoop | None
    loop_thread: NotRequired[LoopThread]
    accept_queue: NotRequired[Extremes | None]
    calls: NotRequired[list[Calls]]
    runtime: NotRequired[Runtime]
    limits: NotRequired[Limits]


class Pool(TypedDict):
    """The service's database connection pool."""

    size: float | None
    peak_in_use: float | None
    in_use_trend_per_1000_requests: Trend | None
    peak_overflow: float | None
    peak_waiters: float | None
    waits: float | None
    wait_s: float | None
    avg_wait_ms: float
    timeouts: float | None


class Jobs(TypedDict):
    """The service's background jobs."""

    waiting: Extremes | None
    done: int | None


class Connections(TypedDict):
    """Connections to the database."""

    max: int | None
    peak: int | None
    server_peak: int | None
    active_peak: int | None
    idle_in_transaction_peak: int | None
    idle_in_transaction_longest_s: float | None


class Wait(TypedDict):
    """A wait event, and its share of the samples of active connections."""

    event: str
    share: float
    peak: int | None


class BlockedStatement(TypedDict):
    """A statement that waited for a lock, and the last one of the transaction that held it."""

    waiting: str
    blocking: str
    idle_share: NotRequired[float]  # of the samples in which the holder ran none


class Blocked(TypedDict):
    """Connections that waited for locks."""

    peak: int | None
    longest_s: float | None
    examples: list[BlockedStatement]


class Statement(TypedDict):
    """One statement of `pg_stat_statements` during the load, with its query id."""

    id: NotRequired[str]
    query: str
    calls: int | None
    total_ms: float
    mean_ms: float
    rows: int | None
    calls_per_request: float | None
    share: float


class TableActivity(TypedDict):
    """One table of `pg_stat_user_tables` during the load."""

    table: str
    rows: int | None
    seq_scans: int | None
    seq_rows_read: int | None
    rows_per_seq_scan: float | None
    index_scans: int | None
    inserted: int | None
    updated: int | None
    deleted: int | None


class DatabaseTotals(TypedDict):
    """Counters of the whole database during the load."""

    cache_hit_percent: float | None
    commits: float | None
    rollbacks: float | None
    deadlocks: float | None
    temp_files: float | None
    temp_bytes: float | None
    checkpoints: float | None
    sessions: NotRequired[float | None]


class IdleTransaction(TypedDict):
    """Transactions that stayed idle for more than a second, by their last statement."""

    statement: str
    connections: int | None
    longest_s: float


class Database(DatabaseTotals):
    """PostgreSQL during the load."""

    unavailable: list[str]
    samples: int
    failed_samples: int
    connections: Connections
    waits: list[Wait]
    blocked: Blocked
    idle_in_transaction: NotRequired[list[IdleTransaction]]
    statements: list[Statement] | None
    tables: list[TableActivity] | None


class Neighbour(TypedDict):
    """Another process of the machine."""

    name: str
    cpu_percent: float


class Machine(TypedDict):
    """CPU time of the generator's machine, in percent of one core."""

    cores: int | None
    cpu_percent: Shares | None
    others_cpu_percent: Shares | None
    database_cpu_percent: Shares | None
    generator_cpu_percent: Shares | None
    neighbours: list[Neighbour]
    oom_kills: NotRequired[int | None]


class RemainingResource(TypedDict):
    """Open files, sockets or threads of one kind, before the load and after the cooldown."""

    process: str
    pid: int
    kind: str
    before: int
    after: int


class Cooldown(TypedDict):
    """After the load, without requests: the lowest values; memory is the last, `_s` the highest."""

    duration_s: float
    memory_mb: float | None
    open_files: float | None
    threads: float | None
    calls_waiting: NotRequired[float | None]
    pool_in_use: float | None
    database_connections: float | None
    database_idle_in_transaction: float | None
    database_idle_in_transaction_s: float | None
    jobs_waiting: float | None
    remaining: NotRequired[list[RemainingResource]]


class Clock(TypedDict):
    """A Locust worker's clock against the master's."""

    offset_ms: float
    error_ms: float
    drift_ms: float


class LocustWorker(TypedDict):
    """A worker of a Locust master's run; times are relative to the start."""

    connected_s: float
    last_report_s: float | None
    completed_s: float | None
    silences_s: list[list[float]]
    clock: Clock | None


class GeneratorProcess(TypedDict):
    """One process of the generator in the main phase."""

    sent: int
    dropped: int
    queued: int
    connections: int
    reconnects: int
    closed_idle: int
    start_delay_p99_ms: float
    loop_lag_p99_ms: float
    cpu_percent: float


class LogDeviation(TypedDict):
    """Times from the starts of requests in a replayed log to their actual ones, in ms."""

    p50: float
    p99: float
    max: float


class Generator(TypedDict):
    """The generator in the main phase."""

    workers: NotRequired[dict[str, LocustWorker]]
    processes: dict[str, GeneratorProcess]
    sent: int
    dropped: int
    arrivals_percent: NotRequired[float | None]
    log_deviation_ms: NotRequired[LogDeviation]
    protocol: NotRequired[str]
    limits: NotRequired[GeneratorLimits]


class ObserverCost(TypedDict):
    """CPU time of the observer, in percent of one core."""

    cpu_percent: float


class Resources(TypedDict):
    """Everything that was observed; None where nothing was."""

    service: Service | None
    pool: Pool | None
    jobs: Jobs | None
    database: Database | None
    machine: Machine | None
    cooldown: Cooldown | None
    generator: Generator
    observer: ObserverCost | None
    samples: list[dict[str, float]]
