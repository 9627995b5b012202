#!/usr/bin/env bash
# Makes the secret that GitHub signs its deliveries with, stores it in Secret Manager, and prints the settings
# for GitHub.
set -euo pipefail

usage() {
  cat <<'EOF'
Usage: setup-webhook.sh [--dry-run] [--rotate] PROJECT [URL]

  PROJECT    the id of the Google Cloud project that webhook-ingest runs in
  URL        the address of webhook-ingest, such as https://webhook-ingest-….run.app. Leave it out before the
             first deploy, because the first deploy needs the secret
  --rotate   make a new secret. The previous secret stays valid as oasis-webhook-secret-previous
  --dry-run  print the commands that change something, but do not run them

A second run without --rotate changes nothing and prints the settings again. The secret is never printed.
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

run_gcloud() {
  if [ -n "$dry_run" ]; then
    printf 'would run: gcloud %s\n' "$*"
    cat >/dev/null
  else
    gcloud "$@" >/dev/null
  fi
}
# add_version SECRET: adds a version to the secret. Reads the value from standard input, so that the value
# does not appear in the list of processes.
add_version() {
  if ! exists gcloud secrets describe "$1" --project "$project"; then
    run_gcloud secrets create "$1" --project "$project" --replication-policy automatic </dev/null
  fi
  run_gcloud secrets versions add "$1" --project "$project" --data-file=-
}
latest_value() { gcloud secrets versions access latest --secret "$1" --project "$project"; }
new_secret() {
  local value
  value=$(head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n')
  printf '%s' "$value" | add_version "$secret"
}

if ! has_secret "$secret"; then
  new_secret
  [ -n "$dry_run" ] || printf 'made the secret %s\n' "$secret"
elif [ -n "$rotate" ]; then
  # A deployed service uses the same versions of its secrets until the next deploy.
  current=$(latest_value "$secret")
  if ! has_secret "$previous"; then
    printf '%s' "$current" | add_version "$previous"
  else
    # GitHub may still use the previous secret. If both secrets are equal, an earlier run was interrupted
    # before it made a new secret.
    kept=$(latest_value "$previous")
    if [ "$kept" != "$current" ]; then
      printf 'error: a rotation is under way: finish its steps first; the last step deletes the secret %s\n' \
        "$previous" >&2
      exit 1
    fi
  fi
  new_secret
  [ -n "$dry_run" ] || printf 'made a new secret; the previous secret is now in %s\n' "$previous"
else
  printf 'the secret %s exists already\n' "$secret"
fi

if [ -z "$url" ]; then
  printf 'Deploy now with deploy/cloud-run.sh, which prints the next step.\n'
else
  cat <<EOF

In GitHub, in the repository or the organisation, under Settings → Webhooks → Add webhook, enter:
  Payload URL   $url/webhooks/github
  Content type  application/json
  Secret        gcloud secrets versions access latest --secret $secret --project $project
EOF
fi
if [ -n "$rotate" ]; then
  cat <<EOF

To rotate the secret without losing a delivery:
  1. run deploy/cloud-run.sh again, so that webhook-ingest accepts both secrets
  2. enter the new secret in GitHub
  3. check in GitHub that recent deliveries were answered with 200
  4. run deploy/cloud-run.sh with WITHOUT_PREVIOUS=yes
  5. run: gcloud secrets delete $previous --project $project
EOF
fi
