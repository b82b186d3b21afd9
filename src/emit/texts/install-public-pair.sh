#!/bin/sh
@header@
set -eu
@constants@
new_certificate=${1:?the certificate and its chain}
new_key=${2:?the key}

umask 077
for file in "$certificate" "$key"; do
  [ -d "$(dirname "$file")" ] || install -d -o rabbitmq -g rabbitmq -m 0700 "$(dirname "$file")"
done
# Both are complete before either shows. The dates are new: Erlang looks at them to notice a change.
install -o rabbitmq -g rabbitmq -m 0400 "$new_key" "$key.new"
install -o rabbitmq -g rabbitmq -m 0444 "$new_certificate" "$certificate.new"
mv -f "$key.new" "$key"
mv -f "$certificate.new" "$certificate"
if rabbitmqctl -q status >/dev/null 2>&1; then rabbitmqctl -q eval 'ssl:clear_pem_cache().'; fi
