#!/usr/bin/env bash
# Deploys the services to Cloud Run, each with an account of its own that may do what it must and nothing else, and has
# Cloud Scheduler poll deploy-watcher. May be run again at any time.
set -euo pipefail

usage() {
  cat <<'EOF'
Usage: cloud-run.sh [--dry-run] PROJECT REGION IMAGES VTID

  PROJECT    the Google Cloud project
  REGION     such as europe-west1
  IMAGES     where the images are, such as europe-west1-docker.pkg.dev/PROJECT/oasis; each is IMAGES/SERVICE:TAG, and
             TAG is latest unless the variable TAG says otherwise
  VTID       the task that this deploy belongs to, such as DEV-CICDL-0031
  --dry-run  print what would be done, and do nothing

Secrets that must be in Secret Manager before: oasis-database-url, oasis-ingest-tokens, and oasis-webhook-secret, which
deploy/setup-webhook.sh makes. oasis-read-tokens and oasis-webhook-secret-previous are used if they are there.
GCP_PROJECT names the projects whose deploys are watched; PROJECT unless it is set. WITHOUT_PREVIOUS=yes leaves the webhook
secret of before out, at the end of its rotation.
EOF
}

dry_run=
case "${1-}" in
  -h | --help)
    usage
    exit 0
    ;;
  --dry-run)
    dry_run=yes
    shift
    ;;
esac
if [ $# -ne 4 ]; then
  usage >&2
  exit 2
fi
project=$1
region=$2
images=${3%/}
vtid=$4
tag=${TAG:-latest}
watched=${GCP_PROJECT:-$project}
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=deploy/secrets.sh
. "$here/secrets.sh"
if ! command -v gcloud >/dev/null; then
  printf 'error: gcloud is not installed, or not on PATH\n' >&2
  exit 1
fi

run() {
  if [ -n "$dry_run" ]; then
    printf 'would run:'
    printf ' %q' "$@"
    printf '\n'
  else
    "$@"
  fi
}

account() {
  local name=$1 email=$1@$project.iam.gserviceaccount.com
  if ! gcloud iam service-accounts describe "$email" --project "$project" >/dev/null 2>&1; then
    run gcloud iam service-accounts create "$name" --project "$project"
  fi
}

# VARIABLE=secret pairs, each readable by the service's account alone.
secrets=()
mount() {
  local name=$1 variable=$2 secret=$3
  run gcloud secrets add-iam-policy-binding "$secret" --project "$project" --role roles/secretmanager.secretAccessor \
    --member "serviceAccount:$name@$project.iam.gserviceaccount.com" --format none
  # This very version: "latest" would be another one for each instance that starts after a rotation.
  local version
  version=$(gcloud secrets versions describe latest --secret "$secret" --project "$project" --format 'value(name)')
  secrets+=("$variable=$secret:${version##*/}")
}

deploy() {
  local name=$1 labels
  shift
  labels=$("$here/ensure-vtid.sh" "$name" "$vtid" "$layer" "$name")
  local joined
  joined=$(IFS=,; printf '%s' "${secrets[*]}")
  run gcloud run deploy "$name" --project "$project" --region "$region" --image "$images/$name:$tag" \
    --service-account "$name@$project.iam.gserviceaccount.com" --set-secrets "$joined" "$labels" --quiet "$@"
}

case $vtid in
  *-*-*) layer=${vtid#*-} layer=${layer%-*} ;;
  *) layer=INFRA ;;
esac
# Before anything is changed.
"$here/ensure-vtid.sh" gateway-feed "$vtid" "$layer" gateway-feed >/dev/null
for secret in oasis-database-url oasis-ingest-tokens oasis-webhook-secret; do
  if ! has_secret "$secret"; then
    printf 'error: the secret %s is missing in project %s: see --help\n' "$secret" "$project" >&2
    exit 1
  fi
done

# The feed. One instance is always there and has its processor between requests, too (--no-cpu-throttling): it follows
# the table. A stream is a request: 3600 s is the longest that Cloud Run allows, and clients resume after it. Each of up
# to 1,000 clients is a request under way. Any instance serves any client: no session affinity. Each instance may hold ten
# connections to the database, of webhook-ingest nine: with at most four and four they are 76.
account gateway-feed
secrets=()
mount gateway-feed DATABASE_URL oasis-database-url
mount gateway-feed INGEST_TOKENS oasis-ingest-tokens
if has_secret oasis-read-tokens; then mount gateway-feed READ_TOKENS oasis-read-tokens; fi
deploy gateway-feed --allow-unauthenticated --ingress all --min-instances 1 --max-instances 4 --no-cpu-throttling \
  --concurrency 1000 --timeout 3600 --no-session-affinity --cpu 1 --memory 512Mi

# GitHub waits 10 s and does not try again: one instance is kept warm. Its deliveries are signed, so anybody may ask.
# A delivery may have 25 MiB, and each request under way holds its own.
account webhook-ingest
secrets=()
mount webhook-ingest DATABASE_URL oasis-database-url
mount webhook-ingest GITHUB_WEBHOOK_SECRET oasis-webhook-secret
if [ -z "${WITHOUT_PREVIOUS-}" ] && has_secret oasis-webhook-secret-previous; then
  mount webhook-ingest GITHUB_WEBHOOK_SECRET_PREVIOUS oasis-webhook-secret-previous
fi
deploy webhook-ingest --allow-unauthenticated --ingress all --min-instances 1 --max-instances 4 --concurrency 80 --timeout 30 \
  --cpu 1 --memory 512Mi

# Only Cloud Scheduler may ask it. One instance: a poll at a time is all that there is to do.
account deploy-watcher
secrets=()
mount deploy-watcher DATABASE_URL oasis-database-url
IFS=, read -r -a projects <<<"$watched"
for watched_project in "${projects[@]}"; do
  run gcloud projects add-iam-policy-binding "$watched_project" --role roles/logging.viewer --condition None \
    --member "serviceAccount:deploy-watcher@$project.iam.gserviceaccount.com" --format none
done
deploy deploy-watcher --no-allow-unauthenticated --ingress all --min-instances 0 --max-instances 1 --concurrency 10 \
  --timeout 300 --cpu 1 --memory 512Mi --set-env-vars "^;^GCP_PROJECT=$watched"

account oasis-scheduler
run gcloud run services add-iam-policy-binding deploy-watcher --project "$project" --region "$region" \
  --role roles/run.invoker --member "serviceAccount:oasis-scheduler@$project.iam.gserviceaccount.com" --format none
if [ -n "$dry_run" ]; then
  url=https://deploy-watcher.example
else
  url=$(gcloud run services describe deploy-watcher --project "$project" --region "$region" --format 'value(status.url)')
fi
verb=create
if gcloud scheduler jobs describe deploy-watcher --project "$project" --location "$region" >/dev/null 2>&1; then
  verb=update
fi
# Every minute. A poll that takes longer goes on, and the next one is told that it does.
run gcloud scheduler jobs "$verb" http deploy-watcher --project "$project" --location "$region" --schedule '* * * * *' \
  --http-method POST --uri "$url/poll" --attempt-deadline 180s --oidc-token-audience "$url" \
  --oidc-service-account-email "oasis-scheduler@$project.iam.gserviceaccount.com"
