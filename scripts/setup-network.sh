#!/bin/sh
# Brings what the tests of the transparent sidecar need on top of setup.sh, which make networks of
# their own: on Linux and from Debian's packages, where they are missing, ip, iptables and curl, and
# newuidmap where the tests don't run as root. Elsewhere nothing.
set -eu
. "$(dirname "$0")/lib.sh"

[ "$(uname)" = Linux ] || exit 0
# Some users have no sbin in their path.
PATH=$PATH:/usr/sbin:/sbin
missing=
have ip || missing="$missing iproute2"
have iptables || missing="$missing iptables"
have curl || missing="$missing curl"
[ "$(id -u)" = 0 ] || have newuidmap || missing="$missing uidmap"
# shellcheck disable=SC2086  # one word for each package
[ -z "$missing" ] || packages "what the sidecar's tests make networks with" $missing
