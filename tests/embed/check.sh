#!/usr/bin/env bash
# Checks the services that embed grantwell: their format, their lints, and their walks. It needs cargo and a C compiler.
set -euo pipefail
cd "$(dirname "$0")"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/../../target/embed}"

cargo fmt --all --check

# Each feature of the axum service is one more trait and has those before it.
for grown in "" introspection revocation refresh; do
    cargo clippy --all-targets --features "$grown" --locked -- -D warnings
done

# One package at a time: what the axum service needs of the library is not there for the actix-web one.
cargo test -p embed-host --locked
for grown in "" introspection revocation refresh; do
    cargo test -p embed-axum --features "$grown" --locked
done
if cargo tree -p embed-actix -e features -i grantwell --locked | grep -q 'feature "tower"'; then
    echo "the actix-web service has grantwell with tower" >&2
    exit 1
fi
cargo test -p embed-actix --locked
