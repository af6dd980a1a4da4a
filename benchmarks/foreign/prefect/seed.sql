INSERT INTO flow (id, name)
SELECT lpad(to_hex(n), 32, '0')::uuid, 'flow-' || n FROM generate_series(0, 49) AS n;

INSERT INTO flow_run (id, flow_id, name, state_type, state_name, start_time)
SELECT lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(n % 50), 32, '0')::uuid, 'run-' || n, 'COMPLETED', 'Completed',
       now() - n * interval '1 minute'
FROM generate_series(0, 49999) AS n;

INSERT INTO log (flow_run_id, name, level, message, "timestamp")
SELECT lpad(to_hex(n), 32, '0')::uuid, 'prefect.flow_runs', 20, 'finished step ' || n, now() - n * interval '1 second'
FROM generate_series(0, 49999) AS n;
