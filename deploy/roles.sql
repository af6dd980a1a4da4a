-- Roles of the database, created by psql as superuser when a new database starts.
-- The service can read and write rows, but not change tables; migrations run as the owner.

\getenv owner_password OWNER_PASSWORD
\getenv service_password SERVICE_PASSWORD
\getenv observer_password OBSERVER_PASSWORD

CREATE ROLE therapybridge_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE therapybridge LOGIN PASSWORD :'service_password';
CREATE ROLE therapybridge_observer LOGIN PASSWORD :'observer_password';

ALTER DATABASE therapybridge OWNER TO therapybridge_owner;
REVOKE ALL ON DATABASE therapybridge FROM PUBLIC;
GRANT CONNECT ON DATABASE therapybridge TO therapybridge, therapybridge_observer;

GRANT USAGE ON SCHEMA public TO therapybridge;
ALTER DEFAULT PRIVILEGES FOR ROLE therapybridge_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO therapybridge;
ALTER DEFAULT PRIVILEGES FOR ROLE therapybridge_owner IN SCHEMA public
    GRANT USAGE ON SEQUENCES TO therapybridge;

-- Load tests read statistics of the server, and no rows.
CREATE EXTENSION pg_stat_statements;
GRANT pg_monitor TO therapybridge_observer;
