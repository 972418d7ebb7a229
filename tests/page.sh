#!/bin/sh
# Tries the page that `lockgate serve` serves in headless Chromium, against the real service with a real repository. Gets what it
# needs: Chromium and Node from Debian, the driver and the accessibility rules from npm. Screenshots go to the target folder.
set -eu
sh "$(dirname "$0")/prepare.sh"
cd "$(dirname "$0")/.."
need() { command -v "$1" >/dev/null || { apt-get update -q && apt-get install -qy --no-install-recommends "$2"; }; }
need chromium chromium
need node nodejs
need npm npm
target=$(sh tests/target.sh)
export LOCKGATE_PAGE_TARGET="$target/page" LOCKGATE="$target/debug/lockgate" LOCKGATE_PLUGINS="$target/debug/plugins"
mkdir -p "$LOCKGATE_PAGE_TARGET"
cp tests/page/package.json "$LOCKGATE_PAGE_TARGET"
npm install --prefix "$LOCKGATE_PAGE_TARGET" --no-package-lock --no-audit --no-fund --loglevel=error
node --test tests/page/page.test.js
echo "screenshots are in $LOCKGATE_PAGE_TARGET/screenshots"
