#!/bin/sh
# Brings what tests/browser needs on top of setup.sh: Debian's Chromium with a font, Node.js with
# npm, curl, and Playwright's and axe-core's packages in tests/browser/node_modules. What is there
# already is left alone.
set -eu
. "$(dirname "$0")/lib.sh"

# The programs that tests/browser/run.mjs looks for, in its order.
found_browser() {
    for program in "${CHROMIUM:-}" /usr/bin/chromium /usr/bin/chromium-browser /usr/bin/google-chrome; do
        [ ! -x "$program" ] || return 0
    done
    return 1
}

install_browser() {
    [ -z "${CHROMIUM:-}" ] || [ -x "$CHROMIUM" ] || fail "CHROMIUM names $CHROMIUM, which isn't a program"
    found_browser && return
    [ "$(uname)" != Darwin ] || fail "Chromium is missing: brew install chromium, and set CHROMIUM to its program"
    # Ubuntu's package of this name is an empty one that leads to a snap: there CHROMIUM has to be
    # set.
    packages "the browser of the tests" chromium fonts-dejavu-core
    found_browser || fail "there is no chromium in the system's packages: install one, and set CHROMIUM to its program"
}

install_browser
node_packages tests/browser 18 "what drives the browser"
have curl || packages "curl" curl
