# VAULT_ADDR, and a token that may write roles and policies, come from the environment. VAULT_CLI=bao runs OpenBao's.
set -eu
cd -- "$(dirname -- "$0")"
vault=${VAULT_CLI:-vault}
