#!/bin/sh
# The main job, from nothing: builds lockgate and its plugins, backs up a folder, restores it elsewhere and compares.
# Usage: sh tests/demo.sh [FOLDER]
set -eu
sh "$(dirname "$0")/prepare.sh"
exec "$(sh "$(dirname "$0")/target.sh")/debug/demo" "$@"
