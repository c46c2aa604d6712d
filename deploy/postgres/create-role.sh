#!/bin/sh
# Runs once, when PostgreSQL makes its data folder.
set -eu
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --set password="$(cat /run/secrets/wxsp_password)" <<'SQL'
CREATE ROLE wxsp LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE PASSWORD :'password';
CREATE DATABASE wxsp OWNER wxsp ENCODING 'UTF8' TEMPLATE template0;
SQL
