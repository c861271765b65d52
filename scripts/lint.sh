#!/bin/sh
# Checks format, clippy, shell scripts, documentation, licences and sources, the dependencies of the
# leaf crates, and imports between files. Changes no file.
set -eu
. "$(dirname "$0")/lib.sh"

step() { say "--- $1"; }

step "format"
cargo fmt --all --check

step "clippy"
cargo clippy --quiet --locked --workspace --all-targets -- -D warnings
cargo clippy --quiet --locked -p understudy-filter --target wasm32-wasip1 -- -D warnings

step "shell scripts"
# shellcheck disable=SC2046  # one word for each file
shellcheck -x -P SCRIPTDIR $(git ls-files '*.sh' .ci/run)

step "documentation"
RUSTDOCFLAGS='-D warnings' cargo doc --quiet --locked --workspace --no-deps

step "licences, bans, sources"
.tools/bin/cargo-deny --log-level error check --hide-inclusion-graph licenses bans sources

step "advisories"
# The database is a git repository elsewhere. A network that can't reach it must not fail the build,
# and must not look like a pass.
export GIT_TERMINAL_PROMPT=0 GIT_HTTP_LOW_SPEED_LIMIT=1000 GIT_HTTP_LOW_SPEED_TIME=20
if reason=$(.tools/bin/cargo-deny fetch db 2>&1); then
    .tools/bin/cargo-deny --log-level error check --disable-fetch advisories
else
    say "NOT CHECKED: the advisory database can't be had from here ($(say "$reason" | grep -m1 '^fatal:' || say "$reason" | tail -n 1))"
fi

step "leaf crates"
sh scripts/check-leaves.sh

step "imports between files"
python3 scripts/check_circles.py
