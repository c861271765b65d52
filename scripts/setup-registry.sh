#!/bin/sh
# Brings what the tests of images need on top of setup.sh, from Debian's packages where they are
# missing: a container registry, and skopeo, which reads it independently of us.
set -eu
. "$(dirname "$0")/lib.sh"

missing=
have docker-registry || missing="$missing docker-registry"
have skopeo || missing="$missing skopeo"
# shellcheck disable=SC2086  # one word for each package
[ -z "$missing" ] || packages "a container registry, and skopeo to read it" $missing
