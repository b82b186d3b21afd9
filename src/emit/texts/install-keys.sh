#!/bin/sh
@header@
#
# What the service `keys` does: it copies the broker's files and the worker's into their volumes, each for its reader alone.
# Compose ignores owner and mode of secrets that are files, and no key may be in a layer of an image.
set -eu
@constants@
umask 077

# put OWNER FROM TO: complete before it shows, and with a date of today, at which Erlang notices a change.
put() {
  cp "$2" "$3.new"
  chown "$1" "$3.new"
  chmod 0400 "$3.new"
  mv -f "$3.new" "$3"
}
# directory OWNER PATH
directory() {
  mkdir -p "$2"
  chown "$1" "$2"
  chmod 0700 "$2"
}
# all OWNER FROM TO: the directory as it stands
all() {
  directory "$1" "$3"
  for file in "$2"/*; do
    if [ -f "$file" ]; then put "$1" "$file" "$3/${file##*/}"; fi
  done
}

for name in rabbitmq.conf advanced.config enabled_plugins definitions.json inter_node_tls.config rabbitmq-env.conf; do
  if [ -f "/pki/rabbitmq/$name" ]; then put "$broker_owner" "/pki/rabbitmq/$name" "$config/$name"; else rm -f "$config/$name"; fi
done
# A list that stays behind would keep an authority alive that was replaced.
for list in "$config"/crls/*; do
  if [ ! -f "/pki/rabbitmq/crls/${list##*/}" ]; then rm -f "$list"; fi
done
if [ -d /pki/rabbitmq/crls ]; then all "$broker_owner" /pki/rabbitmq/crls "$config/crls"; fi
all "$broker_owner" /pki/broker "$certs"
put "$broker_owner" /servers_ca.pem "$certs/servers_ca.pem"
if [ -d /pki/management ]; then all "$broker_owner" /pki/management "$certs/management"; fi
for directory in /pki/client/*; do
  if [ -d "$directory" ]; then all "$worker_owner" "$directory" "/keys/${directory##*/}"; fi
done
