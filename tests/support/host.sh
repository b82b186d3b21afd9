#!/usr/bin/env bash
# One test host: the first process of its own network, mount, host-name and process namespaces.
#
#   unshare --net --mount --uts --ipc --pid --fork --kill-child host.sh ROOT STAGE NAME
#
# ROOT is the file system of the broker: / for the machine's own, or the root of another Debian. STAGE is a directory of
# the test: STAGE/hosts becomes /etc/hosts, STAGE/etc becomes /etc/rabbitmq (owned by the broker's user, modes as they
# are), STAGE/files what lies beside it in /etc, STAGE/cookie the Erlang cookie. Says "ready" and lives until its standard
# input closes, half an hour at most, so that no test waits for ever on something here; then everything that was started
# here dies with it, and the mounts and the network go too.
set -euo pipefail
root=$1 stage=$2 name=$3

mount --make-rprivate /
mount -t proc proc /proc
hostname "$name"
ip link set lo up
if [ "$root" != / ]; then
  mkdir -p "$stage/root"
  mount --bind "$root" "$stage/root"
  root=$stage/root
fi
# Files beside /etc/rabbitmq, as containers have them, go to a layer of this host's own.
if [ -d "$stage/files" ]; then
  mkdir "$stage/layer"
  mount -t tmpfs tmpfs "$stage/layer"
  mkdir "$stage/layer/upper" "$stage/layer/work"
  mount -t overlay overlay -o "lowerdir=$root/etc,upperdir=$stage/layer/upper,workdir=$stage/layer/work" "$root/etc"
fi
mount --bind "$stage/hosts" /etc/hosts

if [ "$root" != / ]; then
  mount -t proc proc "$root/proc"
  mount --rbind /dev "$root/dev"
  mount -t tmpfs tmpfs "$root/tmp"
  mount -t tmpfs tmpfs "$root/run"
  mount --bind "$stage/hosts" "$root/etc/hosts"
fi
for directory in etc/rabbitmq var/lib/rabbitmq var/log/rabbitmq; do
  mount -t tmpfs -o mode=0755 tmpfs "$root/$directory"
done
if [ -d "$stage/files" ]; then
  cp -R "$stage/files/." "$root/"
  for directory in "$stage"/files/etc/*; do chroot "$root" chown -R rabbitmq:rabbitmq "/etc/${directory##*/}"; done
fi
if [ -d "$stage/etc" ]; then cp -R --preserve=mode "$stage/etc/." "$root/etc/rabbitmq/"; fi
if [ -f "$stage/cookie" ]; then
  install -m 0400 "$stage/cookie" "$root/var/lib/rabbitmq/.erlang.cookie"
fi
if chroot "$root" id rabbitmq >/dev/null 2>&1; then
  chroot "$root" chown -R rabbitmq:rabbitmq /etc/rabbitmq /var/lib/rabbitmq /var/log/rabbitmq
fi

echo ready
timeout 1800 cat >/dev/null || true
exit 0
