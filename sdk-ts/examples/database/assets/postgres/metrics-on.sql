\getenv password METRICS_PASSWORD
SELECT 'CREATE ROLE metrics' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'metrics') \gexec
ALTER ROLE metrics LOGIN PASSWORD :'password';
GRANT pg_monitor TO metrics;
