-- The two roles of a deployment on PostgreSQL, run once by an administrator:
--
--     psql --file=roles.sql --dbname=example
--
-- `example_owner` owns the tables and runs `manage.py migrate`; `example_app` is what the site connects as. It owns
-- nothing and can change no table, so that row-level security holds whatever it sends. Give both a password with
-- \password, and set DATABASE_URL to example_app everywhere but for `migrate`.

CREATE ROLE example_owner LOGIN NOSUPERUSER NOBYPASSRLS;
CREATE ROLE example_app LOGIN NOSUPERUSER NOBYPASSRLS;

GRANT USAGE, CREATE ON SCHEMA public TO example_owner;
GRANT USAGE ON SCHEMA public TO example_app;

-- What the owner makes from now on, the site may read and write.
ALTER DEFAULT PRIVILEGES FOR ROLE example_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO example_app;
ALTER DEFAULT PRIVILEGES FOR ROLE example_owner IN SCHEMA public
    GRANT USAGE, SELECT ON SEQUENCES TO example_app;
