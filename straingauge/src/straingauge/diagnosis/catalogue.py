"""Each cause in words, and what operators do about it: documented remedies, in the usual order."""

from collections.abc import Mapping

TITLES: Mapping[str, str] = {
    "pool_exhausted": "the database connection pool is exhausted",
    "connections_leaked": "database connections are taken and never given back",
    "slow_statement": "a statement is slow in the database",
    "missing_index": "an index is missing: a table is read from end to end",
    "n_plus_one": "one request runs the same statement again and again (N+1)",
    "lock_contention": "statements wait for a lock that another transaction holds",
    "event_loop_blocked": "the service's event loop is blocked",
    "cpu_bound": "the service is out of CPU",
    "memory_leak": "the service's memory grows and is not given back",
    "file_leak": "the service opens files or sockets and does not close them",
    "thread_leak": "the service starts threads that never end",
    "freeze": "the whole service stops answering now and then",
    "endpoint_errors": "requests are answered with errors",
    "connection_resets": "connections break before the answer",
    "wrong_content": "answers have the wrong content",
    "slow_endpoint": "an endpoint is slow as a rule",
    "slow_tail": "a small share of all requests is much slower than the rest",
    "slowing_down": "the service gets slower as it runs",
    "rate_limiter_tight": "the rate limiter refuses ordinary load",
    "rate_limiter_absent": "the rate limiter is not at work",
    "rate_limiter_loose": "the rate limiter lets more through than it should",
    "rate_limiter_per_process": "each process counts the rate limit by itself",
    "rate_limiter_untrue": "the rate limiter's answers do not say the truth",
    "keep_alive_off": "the service closes the connection after each answer",
    "jobs_not_draining": "background jobs are queued and not worked off",
    "lost_writes": "acknowledged writes are lost",
    "doubled_writes": "acknowledged writes are stored more than once",
    "altered_writes": "stored data is not what was sent",
    "foreign_data": "data of another user can be read",
    "generator_saturated": "the load generator could not keep up",
    "noisy_neighbour": "other programs on this machine took the CPU",
    "database_away": "the database cannot be reached",
    "slow_start": "only the start is slow",
    "service_restarted": "processes of the service ended or began during the load",
}

ADVICE: Mapping[str, tuple[str, ...]] = {
    "pool_exhausted": (
        'raise pool size and overflow (in the log: "QueuePool limit", "connection timeout"), within'
        " what the database allows for all processes together",
        "give connections back before slow work that needs none (uploads, calls to other services)",
    ),
    "connections_leaked": (
        "open sessions in a context manager or a dependency that closes them on every path, errors"
        " and cancelled requests included",
        "set idle_in_transaction_session_timeout, so that PostgreSQL ends what is forgotten",
    ),
    "slow_statement": (
        "run EXPLAIN (ANALYZE, BUFFERS) on the statement: look for sequential scans, sorts on disk"
        " and estimates that are far off",
    ),
    "missing_index": (
        "create an index on the columns the statement filters, joins and sorts by (CREATE INDEX"
        " CONCURRENTLY), and check with EXPLAIN that it is used",
        "compare the database's indexes with those the migrations should have made",
    ),
    "n_plus_one": (
        "load the related rows with the first statement (a join, or selectinload / joinedload in"
        " SQLAlchemy), or with one statement for all of them",
    ),
    "lock_contention": (
        "keep transactions short: commit before slow work, never wait for a network within one",
        "set lock_timeout, and take locks on several rows always in the same order",
    ),
    "event_loop_blocked": (
        "look for blocking calls in `async def` (time.sleep, synchronous drivers and clients, file"
        " and CPU work): await their async kin, or move them to a thread (asyncio.to_thread)",
        "PYTHONASYNCIODEBUG=1 logs each step of the loop that takes longer than 100 ms",
    ),
    "cpu_bound": (
        "profile the service under this load (py-spy) and take the dearest work out of the request",
        "run one worker process for each core, or more machines",
    ),
    "memory_leak": (
        "compare tracemalloc snapshots before and after some hundred requests; look at module-level"
        " lists, dicts and caches without a size limit",
        "until it is found, let workers restart after a number of requests",
    ),
    "file_leak": (
        "list what is open (`ls -l /proc/PID/fd`, lsof), and close it in a `with` on every path",
        '`ulimit -n` is where it ends: errors with "Too many open files" for everybody',
    ),
    "thread_leak": (
        "list them (`py-spy dump --pid PID`, /proc/PID/task), and give the work to an executor of a"
        " fixed size that is shut down with the service",
        "each takes a stack, and the limit on processes is where it ends: no thread can be started",
    ),
    "freeze": (
        "look for what stops everything at these moments: a global lock, a garbage collection of a"
        " large heap, a synchronous flush, a container that is throttled or paused",
    ),
    "endpoint_errors": (
        "read the service's log at these moments; then look at the pool, the database's limits, and"
        " memory and files of the machine",
    ),
    "connection_resets": (
        "look for workers that crash or are killed (exit codes, dmesg), for timeouts of the server"
        " or a proxy that are shorter than the request, and for a full accept queue",
    ),
    "wrong_content": (
        "look at the service's error handling: a failure must have a status of 4xx or 5xx, and a"
        " body must be complete before it is sent",
    ),
    "slow_endpoint": (
        "high latency, in the order to look: indexes, slow statements, CPU and memory, and the"
        " latency of connections to other services",
    ),
    "slow_tail": (
        "look at what stands in front of or around the application: middleware, proxy, load"
        " balancer, network, name resolution; and at calls to other services that time out",
    ),
    "slowing_down": (
        "look for what grows with the requests served: tables and lists read as a whole, caches"
        " that are searched, queues that are not drained",
    ),
    "rate_limiter_tight": (
        "raise the limit, or count by user instead of by address; let the test use more users",
    ),
    "rate_limiter_absent": (
        "limits not enforced: is the limiter registered with the application? does the endpoint"
        " have its decorator? does its signature have `request: Request`?",
        "check that no setting switches it off in this environment",
    ),
    "rate_limiter_loose": (
        "compare the limit and the window the service runs with against those it should have",
        "check that all endpoints count into the limit they share, by the same key",
    ),
    "rate_limiter_per_process": (
        "keep the limiter's counts where all processes see them (Redis, the database), not in"
        " memory",
    ),
    "rate_limiter_untrue": (
        "send Retry-After with each 429, as the seconds left of the window that refused (RFC 9110,"
        " section 10.2.3), and serve the client when it is over",
    ),
    "keep_alive_off": (
        "let connections live on (HTTP/1.1's default): look for `Connection: close` in middleware"
        " or proxy, and at the server's keep-alive timeout",
    ),
    "jobs_not_draining": (
        "check that the job worker runs, reaches its queue and logs no errors; add workers where it"
        " only lags behind",
    ),
    "lost_writes": (
        "acknowledge only after the commit (and the file is written), and let a failed commit end"
        " in an error",
    ),
    "doubled_writes": (
        "make the write idempotent: a unique constraint, or an idempotency key kept with the row",
    ),
    "altered_writes": (
        "compare what was sent with what is stored: encoding, truncation, two writers of one row or"
        " file name",
    ),
    "foreign_data": (
        "filter every read by its owner, in one place that no endpoint can pass by; this is a"
        " breach, not a performance matter",
    ),
    "generator_saturated": (
        "use more processes (-n), a lower rate, or a machine that does nothing else; nothing is"
        " known of the service until then",
    ),
    "noisy_neighbour": (
        "run the test again when the machine is idle, or give service and generator cores of their"
        " own; this says nothing against the service",
    ),
    "database_away": (
        "check that PostgreSQL runs, its log, the address and password in use, and max_connections",
    ),
    "slow_start": (
        "warm up before traffic comes: open the pool, load models and caches at start, and report"
        " ready only afterwards",
    ),
    "service_restarted": (
        "if no deployment did this on purpose, look for what ended the process: exit codes, dmesg"
        " (out of memory), the supervisor's log",
    ),
}
