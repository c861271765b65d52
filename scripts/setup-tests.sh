#!/bin/sh
# Installs everything that `make test` needs on top of setup.sh, by the other setup scripts.
set -eu
. "$(dirname "$0")/lib.sh"

for name in sdk schemas registry browser network; do
    sh "scripts/setup-$name.sh"
done
