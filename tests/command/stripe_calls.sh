#!/bin/sh
# Calls Stripe's API at HOST:PORT: a card, a customer with it, a charge. Waits until it answers.
until curl -s -o /dev/null "http://$1/" && [ "$(curl -s -o /dev/null -w "%{http_code}" "http://$1/")" != 503 ]; do sleep 0.1; done
call() { curl -s --fail-with-body -H 'authorization: Bearer sk_test_12345' "$@" || exit 1; }
id() { grep -o "\"id\": \"$1_[A-Za-z0-9]*" | head -1 | cut -d '"' -f 4; }
token=$(call "http://$1/v1/tokens" -d 'card[number]=4242424242424242' -d 'card[exp_month]=12' -d 'card[exp_year]=2030' -d 'card[cvc]=123' | id tok)
customer=$(call "http://$1/v1/customers" -d "source=$token" -d email=ada@example.com | id cus)
call "http://$1/v1/customers/$customer" >/dev/null
call "http://$1/v1/charges" -d amount=1200 -d currency=usd -d "customer=$customer" >/dev/null
call "http://$1/v1/charges?customer=$customer" >/dev/null
