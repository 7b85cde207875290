SELECT 'ALTER ROLE metrics NOLOGIN' WHERE EXISTS (SELECT FROM pg_roles WHERE rolname = 'metrics') \gexec
