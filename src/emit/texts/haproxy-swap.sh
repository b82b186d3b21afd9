#!/bin/sh
@header@
#
# swap-certificate.sh FILE: gives a running HAProxy a renewed public certificate, chain and key in FILE, without a reload.
# It needs socat(1) and the right to write to the socket.
set -eu
@constants@
new=${1:?the file with the new chain and key}

# A blank line ends the certificate.
say() { socat -t 5 - "UNIX-CONNECT:$socket"; }
{ printf 'set ssl cert %s <<\n' "$public"; grep -v '^[[:space:]]*$' "$new"; echo; } | say
answer=$(printf 'commit ssl cert %s\n' "$public" | say)
printf '%s\n' "$answer"
case $answer in
  *Success*) ;;
  *) printf 'abort ssl cert %s\n' "$public" | say; exit 1 ;;
esac

# What a restart reads.
umask 077
cat "$new" >"$public.new"
mv -f "$public.new" "$public"
