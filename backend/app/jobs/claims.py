"""Claim of the next job: turns by therapist, and a count of the workers that a job has ended.

pgqueuer serves jobs in the order of their arrival, so one therapist with many recordings would
delay all others, and it takes up the job of a killed worker without a limit. `FairQueries` replaces
its claim by one statement that

- serves the therapist with the fewest running jobs first, then the one who was served least
  recently (table `job_turns`), and of a therapist the oldest job;
- leaves a therapist at most `PER_THERAPIST` jobs of one worker;
- counts in `crashes` how often the worker of a job ended without releasing it. Several jobs run in
  one worker, so the count of an innocent one rises with that of the guilty. Therefore a worker runs
  at most one job with such a count at a time, which separates the two.

The cost is two index probes for each therapist with waiting jobs, however many jobs they have.
"""

from datetime import timedelta
from typing import Any

from pgqueuer.errors import RetryRequested
from pgqueuer.models import Job, TracebackRecord
from pgqueuer.queries import Queries
from pgqueuer.types import QueueManagerId

from app.jobs.queue import TRANSCRIBE

CONCURRENCY = 8
"""Jobs of one worker. They wait for a decoder or an endpoint, so they cost little CPU time."""
PER_THERAPIST = 2
"""Jobs of one therapist in one worker: with fewer than `CONCURRENCY`, others always find a place
unless four therapists use all of them at once."""
TRANSCRIPTIONS = CONCURRENCY - 2
"""Transcriptions in one worker. They take minutes, the extraction of notes seconds: two places are
kept for the latter."""

_CLAIM = """
    WITH RECURSIVE running AS MATERIALIZED (
        SELECT therapist_id, entrypoint, crashes, queue_manager_id = $2 AS own
        FROM pgqueuer
        WHERE status = 'picked' AND (heartbeat >= now() - $3::interval OR queue_manager_id = $2)
    ), own AS (
        SELECT count(*) AS jobs,
               count(*) FILTER (WHERE entrypoint = $7) AS transcriptions,
               count(*) FILTER (WHERE crashes > 0) AS suspects
        FROM running WHERE own
    ), per_therapist AS (
        SELECT therapist_id, count(*) AS jobs, count(*) FILTER (WHERE own) AS own_jobs
        FROM running GROUP BY therapist_id
    ), waiting AS (
        (SELECT therapist_id FROM pgqueuer WHERE status = 'queued' ORDER BY therapist_id LIMIT 1)
        UNION ALL
        SELECT (SELECT next.therapist_id FROM pgqueuer AS next
                WHERE next.status = 'queued' AND next.therapist_id > waiting.therapist_id
                ORDER BY next.therapist_id LIMIT 1)
        FROM waiting WHERE waiting.therapist_id IS NOT NULL
    ), candidate AS (
        SELECT job.id, job.therapist_id
        FROM own CROSS JOIN waiting CROSS JOIN LATERAL (
            SELECT id, therapist_id FROM pgqueuer
            WHERE therapist_id = waiting.therapist_id AND status = 'queued'
              AND entrypoint = ANY($1::text[]) AND execute_after < now()
              AND (crashes = 0 OR own.suspects = 0)
              AND (entrypoint <> $7 OR own.transcriptions < $6)
            ORDER BY id LIMIT 1
        ) AS job
        UNION ALL
        SELECT id, therapist_id FROM own CROSS JOIN pgqueuer
        WHERE status = 'picked' AND heartbeat < now() - $3::interval
          AND queue_manager_id IS DISTINCT FROM $2 AND entrypoint = ANY($1::text[])
          AND own.suspects = 0 AND (entrypoint <> $7 OR own.transcriptions < $6)
    ), chosen AS (
        SELECT job.id, job.therapist_id
        FROM candidate
        JOIN own ON own.jobs < $4
        LEFT JOIN per_therapist USING (therapist_id)
        LEFT JOIN job_turns AS turn USING (therapist_id)
        JOIN pgqueuer AS job ON job.id = candidate.id
        WHERE coalesce(per_therapist.own_jobs, 0) < $5
          AND (job.status = 'queued'
               OR (job.status = 'picked' AND job.heartbeat < now() - $3::interval))
        ORDER BY coalesce(per_therapist.jobs, 0), turn.served_at NULLS FIRST, job.id
        LIMIT 1
        FOR UPDATE OF job SKIP LOCKED
    ), turn AS (
        INSERT INTO job_turns (therapist_id, served_at)
        SELECT therapist_id, clock_timestamp() FROM chosen
        ON CONFLICT (therapist_id) DO UPDATE SET served_at = excluded.served_at
    ), claimed AS (
        UPDATE pgqueuer AS job
        SET status = 'picked', updated = now(), heartbeat = now(), queue_manager_id = $2,
            crashes = job.crashes + (job.status = 'picked')::int
        FROM chosen WHERE job.id = chosen.id
        RETURNING job.*
    ), logged AS (
        INSERT INTO pgqueuer_log (job_id, status, entrypoint, priority)
        SELECT id, status, entrypoint, priority FROM claimed
    )
    SELECT * FROM claimed
"""

_RELEASE = """
    UPDATE pgqueuer
    SET status = 'queued', updated = now(), execute_after = now(), queue_manager_id = NULL
    WHERE id = $1
"""


class ClaimedJob(Job):
    """A job with the number of workers that ended without releasing it."""

    crashes: int


class WorkerStopping(RetryRequested):
    """The worker is stopping: its job is released, which does not count as an attempt."""

    def __init__(self) -> None:
        super().__init__(reason="the worker is stopping")


class FairQueries(Queries):
    """pgqueuer's queries, with turns by therapist."""

    async def dequeue(
        self,
        batch_size: int,  # noqa: ARG002 -- as above
        entrypoints: dict[Any, Any],
        queue_manager_id: QueueManagerId,
        global_concurrency_limit: int | None,
        heartbeat_timeout: timedelta,
    ) -> list[Job]:
        """Claim one job, whatever the batch size: each claim changes whose turn it is."""
        rows = await self.driver.fetch(
            _CLAIM,
            list(entrypoints),
            queue_manager_id,
            heartbeat_timeout,
            global_concurrency_limit or CONCURRENCY,
            PER_THERAPIST,
            TRANSCRIPTIONS,
            TRANSCRIBE,
        )
        return [ClaimedJob.model_validate(row) for row in rows]

    async def retry_job(
        self, job: Job, delay: timedelta, traceback_record: TracebackRecord | None
    ) -> None:
        """Queue a job again; a job of a stopping worker without counting an attempt."""
        if (
            traceback_record is not None
            and traceback_record.exception_type == WorkerStopping.__name__
        ):
            await self.driver.execute(_RELEASE, job.id)
        else:
            await super().retry_job(job, delay, traceback_record)
