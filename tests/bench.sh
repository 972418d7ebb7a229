#!/bin/sh
# Compares lockgate with other ways on the same data in one run, and prints medians and ratios.
# sh tests/bench.sh peers [SCALE] [ROUNDS]: restic, rustic, kopia, borg and plakar (the first time each is installed or built from its
#   sources, outside of this folder). SCALE 1 is the full size, about 10 GiB; 0.25 and 3 rounds without an argument.
#   BENCH_PEERS, BENCH_SETS ("random text small shifted stream"), BENCH_STORAGES ("disk s3") and BENCH_COMPRESSION ("on off") say
#   which; BENCH_MINUTES=9 begins nothing new after nine minutes; BENCH_RESULTS is the folder for peers.jsonl and peers.svg.
# sh tests/bench.sh report FILE [PICTURE]: the tables and the picture of such a peers.jsonl once more.
# sh tests/bench.sh primitives: chunker, SHA-256, zstd and cipher alone, and the share of that limit that a whole run reaches.
# sh tests/bench.sh walls [MIB] [ROUNDS]: what the sandbox and the jail cost against the same export code in an ordinary program.
# sh tests/bench.sh vendors [NAME...]: datastores (all, or those that are named), with their makers' tools piped into restic.
#   BENCH_SCALE=0.1 takes a tenth of the data, BENCH_ROUNDS is 3.
# BENCH_FOLDER is where data and repositories go (about fifteen times the size of the largest set).
set -eu
cd "$(dirname "$0")/.."
command -v cargo >/dev/null || PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
if [ "${1:-}" = primitives ]; then
    exec cargo test --locked --release --package lockgate-repository --lib -- primitives --ignored --nocapture
fi
sh tests/prepare.sh
target=$(sh tests/target.sh)
cargo build --locked --release --package lockgate-cli
mkdir -p "$target/release/plugins" && cp "$target"/debug/plugins/*.wasm "$target/release/plugins/"
if [ "${1:-}" = walls ]; then
    shift
    cargo build --locked --release --package lockgate-bench-native
    set -- walls "$target/release/lockgate-bench-native" "$@"
fi
exec "$target/debug/bench" "$target/release/lockgate" "$@"
