-- Settings that follow from each server's memory and processors. One file for every server, so say which one it is:
--   psql --set server=orders-db/production --file database/tuning.sql
-- A reload is not enough for those in a first block, shared_buffers, wal_buffers, max_connections, max_worker_processes:
-- they take effect when the server restarts, and the last query names those that wait for it.
\set ON_ERROR_STOP on
\if :{?server}
\else
    \set server unnamed
\endif
\set known false

-- orders-db, staging: 4Gi, 2 CPU
SELECT :'server' = 'orders-db/staging' AS this \gset
\if :this
\set known true
ALTER SYSTEM SET shared_buffers = '1GB';
ALTER SYSTEM SET wal_buffers = '16MB';
ALTER SYSTEM SET max_connections = '100';
ALTER SYSTEM SET max_worker_processes = '8';

ALTER SYSTEM SET effective_cache_size = '3GB';
ALTER SYSTEM SET maintenance_work_mem = '256MB';
ALTER SYSTEM SET work_mem = '10MB';
ALTER SYSTEM SET max_parallel_workers = '2';
ALTER SYSTEM SET max_parallel_workers_per_gather = '1';
ALTER SYSTEM SET checkpoint_completion_target = '0.9';
ALTER SYSTEM SET default_statistics_target = '100';
ALTER SYSTEM SET random_page_cost = '1.1';
ALTER SYSTEM SET effective_io_concurrency = '200';
\endif

-- orders-db, production: 16Gi, 4 CPU
SELECT :'server' = 'orders-db/production' AS this \gset
\if :this
\set known true
ALTER SYSTEM SET shared_buffers = '4GB';
ALTER SYSTEM SET wal_buffers = '16MB';
ALTER SYSTEM SET max_connections = '200';
ALTER SYSTEM SET max_worker_processes = '8';

ALTER SYSTEM SET effective_cache_size = '12GB';
ALTER SYSTEM SET maintenance_work_mem = '1GB';
ALTER SYSTEM SET work_mem = '20MB';
ALTER SYSTEM SET max_parallel_workers = '4';
ALTER SYSTEM SET max_parallel_workers_per_gather = '2';
ALTER SYSTEM SET checkpoint_completion_target = '0.9';
ALTER SYSTEM SET default_statistics_target = '100';
ALTER SYSTEM SET random_page_cost = '1.1';
ALTER SYSTEM SET effective_io_concurrency = '200';
\endif

\if :known
    SELECT pg_reload_conf() AS reloaded \gset
    -- The server needs a moment to notice.
    SELECT pg_sleep(1) AS moment \gset
    SELECT name AS "waits for a restart" FROM pg_settings WHERE pending_restart;
\else
    SELECT format('DO $$BEGIN RAISE %L; END$$', 'no such server here: ' || :'server') \gexec
\endif
