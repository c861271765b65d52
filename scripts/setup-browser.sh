#!/bin/sh
# Brings what tests/browser needs on top of setup.sh: Debian's Chromium with a font, Node.js with npm, curl, and Playwright's and axe-core's packages in
# tests/browser/node_modules. What is there already is left alone.
set -eu
. "$(dirname "$0")/lib.sh"

NODE=18 # the oldest that Playwright runs on

chromium() {
    [ -z "${CHROMIUM:-}" ] || return 0
    have chromium || have chromium-browser || have google-chrome && return
    [ "$(uname)" != Darwin ] || fail "Chromium is missing: brew install chromium, and set CHROMIUM to its program"
    # Ubuntu's package of this name is an empty one that leads to a snap: there CHROMIUM has to be set.
    packages "the browser of the tests" chromium fonts-dejavu-core
    have chromium || fail "there is no chromium in the system's packages: install one, and set CHROMIUM to its program"
}

node_packages() {
    missing=
    have node || missing="$missing nodejs"
    have npm || missing="$missing npm"
    # shellcheck disable=SC2086  # one word for each package
    [ -z "$missing" ] || packages "Node.js with npm" $missing
    found=$(node -p 'process.versions.node.split(".")[0]')
    [ "$found" -ge "$NODE" ] || fail "Node.js $NODE or later is needed, and this is $found"
    folder=tests/browser
    stamp="$(cksum <"$folder/package-lock.json") $found"
    [ "$(cat "$folder/node_modules/.stamp" 2>/dev/null)" != "$stamp" ] || return 0
    say "installing what drives the browser into $folder/node_modules ($(grep -c '"integrity"' "$folder/package-lock.json") packages)"
    (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null) ||
        fail "npm could not install $folder/package-lock.json: see its message"
    printf '%s' "$stamp" >"$folder/node_modules/.stamp"
}

chromium
node_packages
have curl || packages "curl" curl
