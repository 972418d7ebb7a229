#!/bin/sh
# Changed code that no test notices: changes the repository and the storage at random places, one at a time, for MINUTES (60 unless
# told), runs the tests of both, and prints how many changes were noticed, and each that was not.
#
#     sh tests/mutation.sh [MINUTES [OPTION OF CARGO-MUTANTS...]]
#
# What the unit tests let pass meets the other tests, but for those that take minutes (below). A change that makes tests run for ever
# is counted apart. Needs what `sh tests/all.sh` gets; gets cargo-mutants when it is not there.
set -eu
cd "$(dirname "$0")/.."
command -v cargo >/dev/null || PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
minutes=${1:-60}
[ "$#" -eq 0 ] || shift
folder=$(sh tests/target.sh)/mutation
PATH="$folder/tools/bin:$PATH"
command -v cargo-mutants >/dev/null || cargo install --locked --root "$folder/tools" cargo-mutants
rm -rf "$folder/copies"
mkdir -p "$folder/copies"
# Tests that try every call, or wait for a clock.
skipped="--skip crash:: --skip beside:: --skip a_heal_that_dies --skip a_copy_that_dies --skip fan:: --skip killed"
# Compiling the other tests takes longer than running the unit tests. Ours are optimised a little, so that neither takes too long.
cat > "$folder/cargo" <<END
#!/bin/sh
case " \$* " in
*" --no-run "*) exec cargo "\$@" --lib ;;
*" test "*) cargo "\$@" --lib && exec cargo "\$@" --test '*' -- $skipped ;;
*) exec cargo "\$@" ;;
esac
END
chmod +x "$folder/cargo"
export CARGO="$folder/cargo" CARGO_TARGET_DIR="$folder" TMPDIR="$folder/copies" CARGO_PROFILE_DEV_OPT_LEVEL=1
rm -rf "$folder/mutants.out"
# Instruments for tests are no promise.
timeout --signal INT "$((minutes * 60))" cargo-mutants mutants --no-config --package lockgate-repository --package lockgate-storage \
    --test-package lockgate-repository --test-package lockgate-storage \
    --exclude '**/fuzzing.rs' --exclude '**/fault*' --exclude '**/fault/**' --exclude '**/conformance*' --exclude '**/conformance/**' \
    --shuffle --jobs 1 --timeout 900 --build-timeout 1800 --output "$folder" --colors never "$@" || ended=$?
# Some were not noticed, some ran for ever, or the time was over. All else is trouble: tests fail without any change, for one.
case ${ended:-0} in 0 | 2 | 3 | 124) ;; *) exit "$ended" ;; esac
cd "$folder/mutants.out"
count() { sort -u "$1.txt" | wc -l; }
caught=$(count caught)
missed=$(count missed)
echo
echo "Not noticed:"
sort -u missed.txt
echo "$((caught + missed + $(count unviable) + $(count timeout))) changes tried: $caught noticed, $missed not noticed," \
    "$(count unviable) that do not compile, $(count timeout) that run for ever"
[ "$((caught + missed))" -eq 0 ] || echo "noticed of those that compile and end: $((100 * caught / (caught + missed))) %"
