#!/bin/sh
# Brings the tables of Temporal's two databases to the version of the image it runs in. May run again: it does what is missing.
# Where PostgreSQL is and who asks, temporal-sql-tool reads itself: SQL_PLUGIN, SQL_HOST, SQL_PORT, SQL_USER, SQL_PASSWORD, SQL_TLS….
set -eu

# $1 database, $2 which of Temporal's schemas goes into it
set_up() {
  if [ "$CREATE_DATABASES" = true ]; then temporal-sql-tool --database "$1" create-database || return; fi
  temporal-sql-tool --database "$1" setup-schema --version 0.0 || return
  temporal-sql-tool --database "$1" update-schema --schema-dir "/etc/temporal/schema/postgresql/v12/$2/versioned"
}

# PostgreSQL may still be starting. After two minutes whoever runs this hears of it.
attempts=0
until set_up "$DBNAME" temporal && set_up "$VISIBILITY_DBNAME" visibility; do
  attempts=$((attempts + 1))
  [ "$attempts" -lt 40 ]
  sleep 3
done
