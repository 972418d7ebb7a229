#!/bin/sh
# Compares lockgate with restic and rustic on the same data in one run, and prints ratios.
# Usage: sh tests/bench.sh [MIB] [ROUNDS], or sh tests/bench.sh walls [MIB] [ROUNDS] for what the sandbox and the jail cost
# against the same export code in an ordinary program. BENCH_FOLDER is where the data goes (about five times its size),
# BENCH_RIVALS which programs are compared with (restic and rustic; the first time each is built from its sources).
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
