#!/usr/bin/env bash
# The steps of action.yml, the GitHub Action that runs `oasis canon check`. Builds `oasis` once for each
# version of its sources; the action keeps the program in a cache.
#
# Usage: canon-action.sh key | check
set -euo pipefail
sources=$(cd "$(dirname "$0")/.." && pwd)
cd "$sources"
inputs=(.cargo Cargo.lock Cargo.toml rust-toolchain.toml cli crates services console migrations openapi)
key=$(find "${inputs[@]}" -type f -print0 |
  LC_ALL=C sort --zero-terminated | xargs --null sha256sum | sha256sum | cut -c1-32)
cd "$OLDPWD"
bin=$HOME/.cache/oasis-canon/$key/oasis

case "${1-}" in
  key) printf 'key=%s\n' "$key" ;;
  check)
    if [ ! -x "$bin" ]; then
      cargo build --locked --profile local --package oasis --manifest-path "$sources/Cargo.toml" \
        --target-dir "${RUNNER_TEMP:-/tmp}/oasis-canon"
      install -D "${RUNNER_TEMP:-/tmp}/oasis-canon/local/oasis" "$bin"
    fi
    flags=()
    if [ "${CANON_DENY_WARNINGS-}" = true ]; then flags+=(--deny-warnings); fi
    path=${CANON_PATH:-.}
    if [ -n "${CANON_SARIF-}" ]; then
      "$bin" canon check "$path" --format sarif >"$CANON_SARIF" || [ $? = 1 ]
    fi
    "$bin" canon check "$path" --format github "${flags[@]}"
    ;;
  *)
    printf 'Usage: canon-action.sh key | check\n' >&2
    exit 2
    ;;
esac
