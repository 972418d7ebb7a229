#!/bin/sh
# Gets what a fresh Debian machine with rustup lacks, then builds lockgate, its plugins and its test tools.
set -eu
cd "$(dirname "$0")/.."
command -v cargo >/dev/null || PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
command -v cc >/dev/null || { apt-get update -q && apt-get install -qy --no-install-recommends build-essential ca-certificates; }
target=$(sh tests/target.sh)
cargo build --locked --workspace
"$target/debug/lockgate-build" --all --out "$target/debug/plugins" --target-dir "$target/plugins"
