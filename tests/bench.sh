#!/bin/sh
# Compares lockgate with other ways on the same data in one run, and prints ratios.
# sh tests/bench.sh [MIB] [ROUNDS]: folders, with restic and rustic. BENCH_RIVALS says which (the first time each is built from
#   its sources).
# sh tests/bench.sh walls [MIB] [ROUNDS]: what the sandbox and the jail cost against the same export code in an ordinary program.
# sh tests/bench.sh vendors [NAME...]: datastores (all, or those that are named), with their makers' tools piped into restic.
#   BENCH_SCALE=0.1 takes a tenth of the data, BENCH_ROUNDS is 3.
# BENCH_FOLDER is where data and repositories go (about five times their size).
set -eu
cd "$(dirname "$0")/.."
command -v cargo >/dev/null || PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
sh tests/prepare.sh
target=$(sh tests/target.sh)
cargo build --locked --release --package lockgate-cli
mkdir -p "$target/release/plugins" && cp "$target"/debug/plugins/*.wasm "$target/release/plugins/"
if [ "${1:-}" = walls ]; then
    shift
    cargo build --locked --release --package lockgate-bench-native
    set -- "$target/release/lockgate-bench-native" "$@"
fi
exec "$target/debug/bench" "$target/release/lockgate" "$@"
