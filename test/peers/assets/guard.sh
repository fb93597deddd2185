#!/bin/sh
# Runs a daemon and kills it on SIGTERM, which the kernel sends when the test process dies (setpriv --pdeathsig).
# The daemon itself cannot ask for that signal: the kernel forgets the wish when a process changes its user.
# usage: guard.sh COMMAND [ARGUMENT...]
trap 'kill -9 "$child"; exit 143' TERM
"$@" &
child=$!
wait "$child"
