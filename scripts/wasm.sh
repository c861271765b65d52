#!/bin/sh
# Writes the filter with an empty table to target/filter.wasm and checks its size: `wasm.sh
# UNDERSTUDY`, where UNDERSTUDY is the compiled command.
set -eu
. "$(dirname "$0")/lib.sh"

"$1" bundle --plain -o target/filter.wasm
sh scripts/check-filter.sh
