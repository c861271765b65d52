#!/bin/sh
# A shop through curl, which speaks HTTP/2: orders placed, read, changed, listed in pages, deleted.
#
# New in each run: the bearer token, an order's reference.
set -eu

fresh() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }
token=$(fresh)
# As `meant` in kit.py: the value, or what it is changed to in a run that must miss.
meant() { if [ "${CHANGE:-}" = "$1" ]; then echo "$3"; else echo "$2"; fi; }
# Its body, then the status and the protocol.
ask() { curl --silent --show-error --http2 --compressed -H "Authorization: Bearer $token" -w '\n%{http_code} HTTP/%{http_version}\n' "$@"; }
shop=https://shop.example

for item in tea "$(meant 1 milk cream)"; do
    answer=$(ask -H 'Content-Type: application/json' -d "{\"item\":\"$item\",\"amount\":3,\"note\":\"$(fresh)\"}" $shop/orders)
    echo "placed $answer"
    id=$(echo "$answer" | sed -n 's/.*"id":"\([^"]*\)".*/\1/p')
done
ask "$shop/orders/$id"
ask -X PUT -H 'Content-Type: application/json' -d '{"amount":4}' "$shop/orders/$id"
# One connection for both.
ask "$shop/orders/$id" "$shop/orders?limit=1"
ask "$shop/orders?limit=1&after=1"
ask "$shop/orders/none"
ask -X DELETE "$shop/orders/$id"
