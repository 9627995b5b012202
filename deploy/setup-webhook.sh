#!/usr/bin/env bash
# Makes the secret that GitHub signs its deliveries with, keeps it in Secret Manager, and says what to paste where.
set -euo pipefail

usage() {
  cat <<'EOF'
Usage: setup-webhook.sh [--dry-run] [--rotate] PROJECT URL

  PROJECT    the Google Cloud project that webhook-ingest runs in
  URL        where webhook-ingest is, such as https://webhook-ingest-….run.app
  --rotate   make a new secret; the one before stays valid as oasis-webhook-secret-previous
  --dry-run  print what would be done, and do nothing

Run again without --rotate it changes nothing and says once more what to paste where. The secret is never printed.
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
if [ $# -ne 2 ]; then
  usage >&2
  exit 2
fi
project=$1
url=${2%/}
if [[ ! $url =~ ^https://[^/]+$ ]]; then
  printf 'error: "%s" is not the address of a service: expected https://HOST\n' "$2" >&2
  exit 2
fi
if ! command -v gcloud >/dev/null; then
  printf 'error: gcloud is not installed, or not on PATH\n' >&2
  exit 1
fi

# shellcheck source=deploy/secrets.sh
. "$(dirname "$0")/secrets.sh"

secret=oasis-webhook-secret
previous=$secret-previous

# The value comes on standard input, so that it is in no list of processes.
keep() {
  if [ -n "$dry_run" ]; then
    printf 'would run: gcloud %s\n' "$*"
    cat >/dev/null
  else
    gcloud "$@" >/dev/null
  fi
}
create() { keep secrets create "$1" --project "$project" --replication-policy automatic --data-file=-; }
add() { keep secrets versions add "$1" --project "$project" --data-file=-; }

new_secret() {
  head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n'
}

if ! has_secret "$secret"; then
  new_secret | create "$secret"
  [ -n "$dry_run" ] || printf 'made the secret %s\n' "$secret"
elif [ -n "$rotate" ]; then
  # It may still be the one that GitHub has.
  if has_secret "$previous"; then
    printf 'error: a rotation is under way: end it as it said, and delete the secret %s, before the next one\n' "$previous" >&2
    exit 1
  fi
  # What is deployed goes on with the versions that it was deployed with.
  gcloud secrets versions access latest --secret "$secret" --project "$project" | create "$previous"
  new_secret | add "$secret"
  [ -n "$dry_run" ] || printf 'made a new secret; the one before is in %s\n' "$previous"
else
  printf 'the secret %s is there already\n' "$secret"
fi

cat <<EOF

In GitHub, Settings → Webhooks → Add webhook, of the repository or the organisation:
  Payload URL   $url/webhooks/github
  Content type  application/json
  Secret        gcloud secrets versions access latest --secret $secret --project $project
EOF
if [ -n "$rotate" ]; then
  cat <<EOF

To change it without losing a delivery:
  1. deploy webhook-ingest again (deploy/cloud-run.sh), which then accepts both secrets
  2. paste the new secret in GitHub
  3. when its recent deliveries are answered 200, deploy with WITHOUT_PREVIOUS=yes, and then
     gcloud secrets delete $previous --project $project
EOF
fi
