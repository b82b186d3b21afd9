set -eu
secret() {
  directory=$1
  shift
  echo ---
  (cd -- "$directory" && kubectl create secret generic "$@" --dry-run=client --output yaml)
}
# All or nothing: kubectl apply would not hear that one of them failed.
secrets=$(
