#!/bin/sh
# Calls json-server at HOST:PORT: reads, makes, changes and removes posts. Waits until it answers.
until curl -s -o /dev/null --fail "http://$1/comments"; do sleep 0.1; done
call() { curl -s -o /dev/null -H 'content-type: application/json' "$@"; }
call "http://$1/posts"
call -X POST -d '{"title":"two"}' "http://$1/posts"
call "http://$1/posts/2"
call "http://$1/posts?title=two"
call -X PATCH -d '{"views":7}' "http://$1/posts/2"
call -X DELETE "http://$1/posts/1"
call "http://$1/posts/1"
