#!/usr/bin/env bash
# Runs a command beside a PostgreSQL, a Redis and a Redis in cluster mode of its own, all in a temporary directory and on
# free ports, and stops them afterwards. They are named to the command by GRANTWELL_POSTGRES, GRANTWELL_REDIS and
# GRANTWELL_REDIS_CLUSTER.
#   tests/stores/with-databases.sh cargo test -p grantwell-store-tests -- --include-ignored
set -euo pipefail

folder=$(mktemp -d)
pids=()
stop() {
    [ -z "${postgres:-}" ] || as_postgres "$bin/pg_ctl" -D "$folder/postgres" -m immediate stop >/dev/null || true
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$folder"
}
trap stop EXIT

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# PostgreSQL does not run as root.
as_postgres() {
    if [ "$(id -u)" = 0 ]; then (cd "$folder" && runuser -u postgres -- "$@"); else "$@"; fi
}

bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1 || true)
bin=${bin:-$(pg_config --bindir)}
[ "$(id -u)" != 0 ] || chown postgres "$folder"
as_postgres "$bin/initdb" -D "$folder/postgres" -U grantwell -A trust -E UTF8 --locale=C.UTF-8 >/dev/null
port=$(free_port)
as_postgres "$bin/pg_ctl" -D "$folder/postgres" -l "$folder/postgres.log" -w \
    -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories='$folder' -c max_connections=300" start >/dev/null
postgres=started
export GRANTWELL_POSTGRES=postgres://grantwell@127.0.0.1:$port/postgres

start_redis() { # PORT ARGUMENT...
    local port=$1
    shift
    mkdir "$folder/redis-$port"
    redis-server --port "$port" --bind 127.0.0.1 --dir "$folder/redis-$port" --save '' --appendonly no "$@" >/dev/null &
    pids+=($!)
    for _ in $(seq 100); do
        redis-cli -p "$port" ping >/dev/null 2>&1 && return
        sleep 0.1
    done
    echo "redis-server did not start" >&2
    exit 1
}

port=$(free_port)
start_redis "$port"
export GRANTWELL_REDIS=redis://127.0.0.1:$port

# The bus of a cluster has a port of its own, by default one that may be too high.
port=$(free_port)
start_redis "$port" --cluster-enabled yes --cluster-port "$(free_port)"
redis-cli -p "$port" cluster addslotsrange 0 16383 >/dev/null
for _ in $(seq 100); do
    redis-cli -p "$port" cluster info | grep -q cluster_state:ok && break
    sleep 0.1
done
export GRANTWELL_REDIS_CLUSTER=redis://127.0.0.1:$port

"$@"
