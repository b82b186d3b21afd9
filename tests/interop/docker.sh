#!/usr/bin/env bash
# `docker run` for the tests of pipelines, on a host of tests/support/broker.rs: the image is the root in $BROKER_ROOT,
# whose broker is user 999, as in Docker's own image of RabbitMQ. Mounts are made as the command line says; what it does not
# know it refuses.
set -euo pipefail
refuse() { echo "docker.sh: $*" >&2; exit 64; }

[ "${1:-}" = run ] || refuse "${1:-nothing} is not known here"
shift
mounts=() ports=()
while [ $# -gt 0 ]; do
  case $1 in
    -d) shift ;;
    --name) shift 2 ;;
    -p) ports+=("$2"); shift 2 ;;
    -v) mounts+=("$2"); shift 2 ;;
    -*) refuse "$1 is not known here" ;;
    *) break ;;
  esac
done
[ "$*" = rabbitmq:4-management ] || refuse "there is no image $*"
[ "${ports[*]}" = 5671:5671 ] || refuse "the port of AMQP is not published"

for mount in "${mounts[@]}"; do
  IFS=: read -r from to mode <<<"$mount"
  mount --bind "$from" "$BROKER_ROOT$to"
  if [ "$mode" = ro ]; then mount -o remount,bind,ro "$BROKER_ROOT$to"; fi
done
sed 's/^rabbitmq:x:[0-9]*:[0-9]*:/rabbitmq:x:999:999:/' "$BROKER_ROOT/etc/passwd" >"$BROKER_ROOT/tmp/passwd"
sed 's/^rabbitmq:x:[0-9]*:/rabbitmq:x:999:/' "$BROKER_ROOT/etc/group" >"$BROKER_ROOT/tmp/group"
for file in passwd group; do mount --bind "$BROKER_ROOT/tmp/$file" "$BROKER_ROOT/etc/$file"; done
chroot "$BROKER_ROOT" chown -R rabbitmq:rabbitmq /var/lib/rabbitmq /var/log/rabbitmq
env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin setsid chroot "$BROKER_ROOT" rabbitmq-server \
  </dev/null >"$BROKER_ROOT/tmp/console" 2>&1 &
echo started
