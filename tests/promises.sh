#!/bin/sh
# Tries the promises of PROMISES.md at full length and prints the figures that stand there: an hour or two on two cores.
# LOCKGATE_TEST_SEED=2 makes other damages and other histories.
set -eu
cd "$(dirname "$0")/.."
command -v cargo >/dev/null || PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
sh tests/prepare.sh
told="$(sh tests/target.sh)/promises.txt"
export LOCKGATE_TEST_SCALE=full
# One test after the other, so that each has the machine for itself.
try() {
    program=$1
    shift
    cargo test --locked --workspace --no-fail-fast --test "$program" -- --nocapture --test-threads 1 "$@" 2>&1 | tee -a "$told"
}
: > "$told"
try unreliable
try suite tamper:: history:: turns:: parsers:: unreliable:: golden:: crash::
try interleavings
try crash calls:: disks::
echo
echo "Figures:"
grep -oE "[A-Za-z, ]+: [^:]*(lost|unnoticed|differences|broken):? 0.*|(cells of calls|golden repositories): [0-9]+" "$told"
# A test that failed, or code that does not compile.
if grep -qE "^test result: FAILED|^error" "$told"; then
    exit 1
fi
