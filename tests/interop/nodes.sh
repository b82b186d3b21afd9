# Raw Erlang nodes with TLS between them, one pair for each option file DIR/*.config: says "NAME pong" or "NAME pang".
# DIR is /mnt to the nodes. In a network and mounts of its own: unshare --net --mount sh nodes.sh DIR HOST ROOT
set -u
directory=$1 host=$2 root=$3
ip link set lo up
echo "127.0.0.1 localhost $host" >"$directory/hosts.$$"
mount --bind "$directory/hosts.$$" "$root/etc/hosts"
mount --bind "$directory" "$root/mnt"
export HOME=/mnt ERL_EPMD_PORT=14369
chroot "$root" epmd -port 14369 >/dev/null 2>&1 &
epmd=$!
node() { chroot "$root" timeout 25 erl -noinput -setcookie doctor -proto_dist inet_tls "$@"; }
for file in "$directory"/*.config; do
  name=$(basename "$file" .config)
  node -ssl_dist_optfile "/mnt/$name.config" -name "$name-b@$host" >/dev/null 2>&1 &
  peer=$!
  answer=$(node -ssl_dist_optfile "/mnt/$name.config" -name "$name-a@$host" -eval "
    Wait = fun Wait(0) -> ok; Wait(N) ->
      case erl_epmd:names() of
        {ok, All} -> case lists:keymember(\"$name-b\", 1, All) of true -> ok; false -> timer:sleep(100), Wait(N - 1) end;
        _ -> timer:sleep(100), Wait(N - 1)
      end end,
    Wait(80), io:format(\"~p~n\", [net_adm:ping('$name-b@$host')]), halt()." 2>/dev/null)
  # timeout(1) hands the signal on to the node.
  kill $peer 2>/dev/null
  wait $peer 2>/dev/null
  case $answer in *pong*) echo "$name pong" ;; *) echo "$name pang" ;; esac
done
kill $epmd
