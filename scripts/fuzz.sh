#!/bin/sh
# Fuzzes every parser that eats bytes from outside: `fuzz.sh [SECONDS]`. Needs a nightly toolchain,
# since coverage does.
set -eu
. "$(dirname "$0")/lib.sh"

seconds=${1:-60}
rustup toolchain list | grep -q '^nightly' || { say "installing a nightly toolchain"; rustup toolchain install nightly --profile minimal; }
[ -x .tools/bin/cargo-fuzz ] || { say "installing cargo-fuzz into .tools"; cargo install --quiet --locked --root .tools cargo-fuzz; }
PATH="$root/.tools/bin:$PATH" cargo +nightly fuzz run parsers -- -max_total_time="$seconds" -max_len=8192 -rss_limit_mb=4096
