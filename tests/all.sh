#!/bin/sh
# All tests, real servers included; gets what they need.
set -eu
sh "$(dirname "$0")/prepare.sh"
cd "$(dirname "$0")/.."
command -v cargo >/dev/null || PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
target=$(sh tests/target.sh)
"$target/debug/lockgate-build" tests/hostile/plugin --out "$target/debug/plugins-hostile" --target-dir "$target/plugins"
"$target/debug/lockgate-build" tests/e2e/pages --out "$target/debug/plugins-e2e" --target-dir "$target/plugins"
"$target/debug/lockgate-servers" install
cargo fmt --all --check
cargo test --locked --workspace --no-fail-fast
