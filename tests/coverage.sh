#!/bin/sh
# Which code of the repository and the storage their own tests reach: prints the lines and regions of both crates, and the ten files
# with the smallest share of lines. Tests do not count, nor do instruments for tests; a line counts once, however often it was compiled.
#
#     sh tests/coverage.sh
#
# Runs all tests of the two crates, which need what `sh tests/all.sh` gets; adds llvm-tools to the compiler when they are not there.
set -eu
cd "$(dirname "$0")/.."
command -v cargo >/dev/null || PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
folder=$(sh tests/target.sh)/coverage
tools=$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin
[ -x "$tools/llvm-cov" ] || rustup component add llvm-tools
rm -rf "$folder/profiles"
mkdir -p "$folder/profiles"
# Only our own crates are measured, and optimised a little, so that neither compiling nor testing takes too long.
printf '#!/bin/sh\nexec "$@" -C instrument-coverage\n' > "$folder/rustc"
chmod +x "$folder/rustc"
export CARGO_TARGET_DIR="$folder" RUSTC_WORKSPACE_WRAPPER="$folder/rustc" CARGO_PROFILE_DEV_OPT_LEVEL=1
export LLVM_PROFILE_FILE="$folder/profiles/%m-%p.profraw"
set -- test --locked -p lockgate-repository -p lockgate-storage --lib --tests
programs=$(cargo "$@" --no-run --message-format json | sed -n 's/.*"executable":"\([^"]*\)".*/-object=\1/p')
failed=0
cargo "$@" --no-fail-fast || failed=1
# A process that is killed leaves a broken profile; it is skipped.
"$tools/llvm-profdata" merge --sparse --failure-mode=all "$folder"/profiles/*.profraw -o "$folder/all.profdata"
# Word splitting is meant: one argument for each program.
# shellcheck disable=SC2086
set -- -instr-profile="$folder/all.profdata" $programs
"$tools/llvm-cov" export --format=lcov "$@" 2>/dev/null > "$folder/lines.txt"
"$tools/llvm-cov" export --skip-functions --skip-expansions "$@" 2>/dev/null | tr ']' '\n' > "$folder/regions.txt"
echo
awk -v top="$PWD/" -v worst="sort -n | head" '
    # What counts is the part of a file before its tests.
    function begin(path,    line, before, number) {
        file = substr(path, length(top) + 1)
        counts = index(path, top) == 1 && file ~ /^host\/(repository|storage)\/src\// \
            && file !~ /tests\.rs$|\/tests\/|\/fuzzing\.rs$|\/(fault|conformance)(\.rs$|\/)/
        split(file, parts, "/")
        crate = parts[2]
        if (!counts || path in end) return
        end[path] = 1e9
        while ((getline line < path) > 0) {
            number++
            if (before == "#[cfg(test)]" && line ~ /^mod .*\{$/) end[path] = number
            before = line
        }
        close(path)
    }
    function tell(what, all, hit) { return sprintf("%d of %d %s (%.1f %%)", hit, all, what, 100 * hit / all) }
    /^SF:/ { path = substr($0, 4); begin(path) }
    /^DA:/ && counts {
        split(substr($0, 4), at, ",")
        if (at[1] >= end[path]) next
        lines[crate]++
        of[file]++
        if (at[2] > 0) { reached[crate]++; in_file[file]++ }
    }
    /"filename":"/ { path = $0; sub(/.*"filename":"/, "", path); sub(/".*/, "", path); begin(path) }
    # Line, column, executions, and whether a region that is code begins here.
    /\[[0-9]+,[0-9]+,[0-9]+,true,true,false$/ && counts {
        sub(/.*\[/, "")
        split($0, at, ",")
        if (at[1] >= end[path]) next
        regions[crate]++
        if (at[3] > 0) entered[crate]++
    }
    END {
        for (crate in lines)
            print crate ": " tell("lines", lines[crate], reached[crate]) ", " tell("regions", regions[crate], entered[crate])
        print "\nLeast reached:"
        for (file in of) printf "%5.1f %% of %d lines: %s\n", 100 * in_file[file] / of[file], of[file], file | worst
    }
' "$folder/lines.txt" "$folder/regions.txt"
exit "$failed"
