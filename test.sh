#!/usr/bin/env bash
# All checks. On Debian, as root, it installs what is missing; elsewhere it says what is.
#   ./test.sh          what must pass for every change
#   ./test.sh --full   also what takes long
set -euo pipefail
cd "$(dirname "$0")"

root=$PWD
tools=$root/target/test-tools
step() { printf '\n== %s\n' "$*"; }

install() { # PROGRAM PACKAGE...
    local program=$1
    shift
    command -v "$program" >/dev/null && return
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "missing: $program (on Debian: apt-get install $*)" >&2
        exit 1
    fi
    step "installing $*"
    [ -n "${updated:-}" ] || { apt-get update -qq; updated=yes; }
    # At this run level no service that comes with a package is started.
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null
}

# The programs the walks need run in the background; they end with this script.
pids=()
stop() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    pids=()
}
trap stop EXIT

start() { # NAME URL EXAMPLE...: runs it as the README says, in a folder of its own, and waits until URL answers
    if curl -s -o /dev/null "$2"; then
        echo "something answers at $2 already; end it first" >&2
        exit 1
    fi
    local name=$1 url=$2
    shift 2
    rm -rf "$tools/run-$name" && mkdir "$tools/run-$name"
    (cd "$tools/run-$name" && exec cargo run --release --manifest-path "$root/Cargo.toml" --example "$@") \
        >"$tools/$name.log" 2>&1 &
    pids+=($!)
    for _ in $(seq 100); do
        curl -s -o /dev/null "$url" && return
        kill -0 "${pids[-1]}" 2>/dev/null || break
        sleep 0.1
    done
    cat "$tools/$name.log" >&2
    echo "$name did not start" >&2
    exit 1
}

# Debian's own Rust is too old; its packages for building browsers are not.
is_recent() { cargo clippy --version && cargo fmt --version && rustc --version | awk -F'[ .]' '{ exit !($2 > 1 || $3 >= 94) }'; }
if ! is_recent >/dev/null 2>&1; then
    install cargo-web cargo-web rustc-web rustfmt-web rust-web-clippy
    is_recent >/dev/null || { echo "Rust 1.94 or later is needed, with clippy and rustfmt" >&2; exit 1; }
fi
install cc build-essential
install curl curl
install python3 python3 python3-venv
install node nodejs npm
install npm npm
install chromium chromium
[ -n "$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null)" ] || install initdb postgresql
install redis-server redis-server
mkdir -p "$tools"

step "format"
cargo fmt --all --check

step "clippy"
cargo clippy --workspace --all-targets --all-features --locked -- -D warnings
# Each feature alone.
cargo clippy -p grantwell --no-default-features --locked -- -D warnings
for feature in cache jose reqwest test-util tower; do
    cargo clippy -p grantwell --no-default-features --features $feature --locked -- -D warnings
done
for feature in postgres sqlite; do
    cargo clippy -p grantwell-sqlx --no-default-features --features $feature --locked -- -D warnings
done

step "docs"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --all-features --no-deps --locked

step "tests"
cargo test --workspace --all-features --locked

step "tests with PostgreSQL and Redis"
[ "${1:-}" != --full ] || export GRANTWELL_ROUNDS=1000 GRANTWELL_KILLS=50
tests/stores/with-databases.sh cargo test --workspace --all-features --tests --locked -- --ignored

step "services that embed the library"
tests/embed/check.sh

step "the bundled server and its client"
cargo build --release --example server --example client --locked

step "clients in other languages"
cp tests/walk/* "$tools/"
[ -x "$tools/venv/bin/python" ] || python3 -m venv "$tools/venv"
"$tools/venv/bin/pip" install -q -r "$tools/requirements.txt"
(cd "$tools" && npm install --silent --no-audit --no-fund --no-package-lock)

start server http://localhost:9000/ server
start client http://localhost:8000/ client
step "the walk in Chromium"
(cd "$tools" && node browser.mjs)
step "the walk with openid-client"
(cd "$tools" && node openid_client.mjs)
step "the walk with Authlib"
"$tools/venv/bin/python" "$tools/authlib_walk.py"
stop

take_tokens() { # NAME ALG CONFIG
    start "$1" http://localhost:9000/ server -- --config "$3" --store memory
    ALG=$2 "$tools/venv/bin/python" "$tools/resource_server.py"
    (cd "$tools" && ALG=$2 node resource_server.mjs)
    stop
}
step "resource servers in other languages take the server's tokens"
take_tokens full RS256 "$root/examples/server/full.toml"
step "and those of keys that rotate"
sed 's/"RS256", "ES256"/"ES256", "RS256"/; s/^\(rotate_every\|publish_ahead\) = .*/\1 = 4/; s/^longest_token = .*/longest_token = 60/' \
    examples/server/full.toml >"$tools/rotating.toml"
ROTATES=yes take_tokens rotating ES256 "$tools/rotating.toml"

step "an API takes tokens that other languages sign"
cargo build --workspace --all-features --example resource_server --locked
"$tools/venv/bin/python" "$tools/foreign_issuer.py" "$root/target/debug/examples/resource_server"
(cd "$tools" && node foreign_issuer.mjs "$root/target/debug/examples/resource_server")

# The server prints the built-in user's password once, before its log begins. A JWT begins with eyJ.
secrets='client_secret_1|(web|post|machine|api)-secret|mypassword|eyJ'
for name in server full rotating; do
    if sed '1,/Ctrl-C stops the server/d' "$tools/$name.log" | grep -E "$secrets"; then
        echo "a secret stands in the log of $name" >&2
        exit 1
    fi
done

if [ "${1:-}" = --full ]; then
    step "benchmarks, one round of each"
    cargo bench -p grantwell --all-features --bench flows --bench jose --locked -- --test
    tests/stores/with-databases.sh cargo bench -p grantwell-store-tests --locked -- --test
fi

step "all passed"
