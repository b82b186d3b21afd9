#!/bin/sh
@header@
#
# sh swap-certificate.sh FILE: gives a running HAProxy a renewed public certificate, chain and key in FILE, without a reload.
# It needs socat(1) and the right to write to the socket.
set -eu
@constants@
new=${1:?the file with the new chain and key}

# The socket parts words at spaces, and a blank line ends the certificate.
name=$(printf %s "$public" | sed 's/[^A-Za-z0-9_./@:+,%=-]/\\&/g')
say() { socat -t 5 - "UNIX-CONNECT:$socket"; }
{ printf 'set ssl cert %s <<\n' "$name"; grep -v '^[[:space:]]*$' "$new"; echo; } | say
answer=$(printf 'commit ssl cert %s\n' "$name" | say)
printf '%s\n' "$answer"
case $answer in
  *Success*) ;;
  *) printf 'abort ssl cert %s\n' "$name" | say; exit 1 ;;
esac

# What a restart reads.
umask 077
cat "$new" >"$public.new"
mv -f "$public.new" "$public"
