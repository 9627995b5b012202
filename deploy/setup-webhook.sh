#!/usr/bin/env bash
# Makes the secret that GitHub signs its deliveries with, keeps it in Secret Manager, and says what to paste
# where.
set -euo pipefail

usage() {
  cat <<'EOF'
Usage: setup-webhook.sh [--dry-run] [--rotate] PROJECT [URL]

  PROJECT    the id of the Google Cloud project that webhook-ingest runs in
  URL        where webhook-ingest is, such as https://webhook-ingest-….run.app; leave it out before the
             first deploy, which needs the secret
  --rotate   make a new secret; the one before stays valid as oasis-webhook-secret-previous
  --dry-run  print what would be done, and do nothing

Run again without --rotate it changes nothing and says once more what to paste where. The secret is never
printed.
EOF
}

dry_run=
rotate=
while [ $# -gt 0 ]; do
  case $1 in
    --dry-run) dry_run=yes ;;
    --rotate) rotate=yes ;;
    -h | --help)
      usage
      exit 0
      ;;
    -*)
      printf 'error: unknown option %s\n' "$1" >&2
      usage >&2
      exit 2
      ;;
    *) break ;;
  esac
  shift
done
if [ $# -ne 1 ] && [ $# -ne 2 ]; then
  usage >&2
  exit 2
fi
project=$1
url=${2-}
url=${url%/}
if [[ $# -eq 2 && ! $url =~ ^https://[^/[:space:]]+$ ]]; then
  printf 'error: "%s" is not the address of a service: expected https://HOST\n' "$2" >&2
  exit 2
fi
# shellcheck source=deploy/common.sh
. "$(dirname "$0")/common.sh"

secret=oasis-webhook-secret
previous=$secret-previous

keep() {
  if [ -n "$dry_run" ]; then
    printf 'would run: gcloud %s\n' "$*"
    cat >/dev/null
  else
    gcloud "$@" >/dev/null
  fi
}
# The value comes on standard input, so that it is in no list of processes.
store() {
  if ! there gcloud secrets describe "$1" --project "$project"; then
    keep secrets create "$1" --project "$project" --replication-policy automatic </dev/null
  fi
  keep secrets versions add "$1" --project "$project" --data-file=-
}
value() { gcloud secrets versions access latest --secret "$1" --project "$project"; }
new_secret() {
  local made
  made=$(head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n')
  printf '%s' "$made" | store "$secret"
}

if ! has_secret "$secret"; then
  new_secret
  [ -n "$dry_run" ] || printf 'made the secret %s\n' "$secret"
elif [ -n "$rotate" ]; then
  # What is deployed goes on with the versions that it was deployed with.
  current=$(value "$secret")
  if ! has_secret "$previous"; then
    printf '%s' "$current" | store "$previous"
  else
    # It may still be the one that GitHub has, unless this script was stopped before there was a new one.
    kept=$(value "$previous")
    if [ "$kept" != "$current" ]; then
      printf 'error: a rotation is under way: end it as it said, and delete the secret %s first\n' \
        "$previous" >&2
      exit 1
    fi
  fi
  new_secret
  [ -n "$dry_run" ] || printf 'made a new secret; the one before is in %s\n' "$previous"
else
  printf 'the secret %s is there already\n' "$secret"
fi

if [ -z "$url" ]; then
  printf 'Deploy now; deploy/cloud-run.sh says at its end how to go on.\n'
else
  cat <<EOF

In GitHub, Settings → Webhooks → Add webhook, of the repository or the organisation:
  Payload URL   $url/webhooks/github
  Content type  application/json
  Secret        gcloud secrets versions access latest --secret $secret --project $project
EOF
fi
if [ -n "$rotate" ]; then
  cat <<EOF

To change it without losing a delivery:
  1. deploy webhook-ingest again (deploy/cloud-run.sh), which then accepts both secrets
  2. paste the new secret in GitHub
  3. when its recent deliveries are answered 200, deploy with WITHOUT_PREVIOUS=yes, and then
     gcloud secrets delete $previous --project $project
EOF
fi
