#!/bin/sh
# Guided fuzzing: gives every parser of foreign bytes what a fuzzer finds, for SECONDS each (60 unless told), and prints for each how
# often it ran and whether a rule broke. What broke one stays in the folder `fuzz/broken` of what cargo builds into.
#
#     sh tests/fuzz.sh [SECONDS]
#
# LOCKGATE_FUZZ_TARGETS="tree index" tries these only. Needs a nightly compiler; gets cargo-fuzz when it is not there.
set -eu
cd "$(dirname "$0")/.."
command -v cargo >/dev/null || PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
seconds=${1:-60}
fuzz=$(sh tests/target.sh)/fuzz
PATH="$fuzz/tools/bin:$PATH"
command -v cargo-fuzz >/dev/null || cargo install --locked --root "$fuzz/tools" cargo-fuzz
# Good objects to begin with.
LOCKGATE_FUZZ_CORPUS="$fuzz/corpus" cargo test --quiet --locked -p lockgate-repository --test suite good_objects_for_the_fuzzer -- --ignored
# The versions that everything else is built with.
cp Cargo.lock host/repository/fuzz/Cargo.lock
cd host/repository
cargo +nightly fuzz build --target-dir "$fuzz"
programs="$fuzz/$(rustc +nightly -vV | sed -n 's/^host: //p')/release"
broken=0
for name in ${LOCKGATE_FUZZ_TARGETS:-$(cargo fuzz list)}; do
    mkdir -p "$fuzz/corpus/$name" "$fuzz/broken"
    told="$fuzz/$name.txt"
    crashes=0
    "$programs/$name" -max_total_time="$seconds" -max_len=8192 -timeout=5 -rss_limit_mb=2048 -print_final_stats=1 \
        -dict=fuzz/words.dict -artifact_prefix="$fuzz/broken/$name-" "$fuzz/corpus/$name" >"$told" 2>&1 || crashes=1
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$told")
    echo "$name: ${executions:-0} executions in $seconds s, crashes: $crashes"
    broken=$((broken + crashes))
done
[ "$broken" -eq 0 ]
