#!/bin/sh
# target/filter.wasm is loaded by every worker of every proxy: it has a size budget.
set -eu
. "$(dirname "$0")/lib.sh"

file=target/filter.wasm
budget=$((1024 * 1024))
[ -f "$file" ] || fail "there is no $file: run make wasm"
size=$(wc -c <"$file" | tr -d ' ')
[ "$size" -le "$budget" ] || fail "$file has $size bytes, more than its budget of $budget"
say "$file: $size of $budget bytes"
