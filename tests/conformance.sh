#!/bin/sh
# Holds every plugin against its real datastore, one after the other, then clusters of several members, and writes
# docs/conformance.md from what was found.
# LOCKGATE_TEST_SCALE=full makes the contents large. One plugin: cargo test -p lockgate-plugin-NAME --test conformance
set -eu
cd "$(dirname "$0")/.."
command -v cargo >/dev/null || PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
sh tests/prepare.sh
target=$(sh tests/target.sh)
"$target/debug/lockgate-servers" install
export LOCKGATE_CONFORMANCE_REPORTS="$target/conformance"
rm -rf "$LOCKGATE_CONFORMANCE_REPORTS"
result=0
cargo test --locked --workspace --no-fail-fast --test conformance -- it_conforms clusters --nocapture --include-ignored || result=1
{
    cat <<'TEXT'
# What the plugins show

Made by `sh tests/conformance.sh`: every plugin against its real datastore, through [the conformance suite](../sdk/conformance/README.md).
In brackets: what a second backup of unchanged data stored, how much was on its way at most between the server and a slow storage, how many
changes a program made while it was backed up. Numbers after `skipped` and `failed` are reasons, below the table.

TEXT
    "$target/debug/lockgate" plugin test --table "$LOCKGATE_CONFORMANCE_REPORTS"
} > docs/conformance.md
exit $result
