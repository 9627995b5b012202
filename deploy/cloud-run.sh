#!/usr/bin/env bash
# Deploys the services to Cloud Run, each with an account of its own that may do what it must and nothing
# else, and has Cloud Scheduler poll deploy-watcher. May be run again at any time, also after it was stopped.
set -euo pipefail

usage() {
  cat <<'EOF'
Usage: cloud-run.sh [--dry-run] PROJECT REGION IMAGES VTID

  PROJECT    the id of the Google Cloud project
  REGION     such as europe-west1
  IMAGES     where the images are, such as europe-west1-docker.pkg.dev/PROJECT/oasis; each is
             IMAGES/SERVICE:TAG
  VTID       the task that this deploy belongs to, such as DEV-CICDL-0031
  --dry-run  print what would be done, and do nothing

In Secret Manager there must be oasis-database-url, oasis-ingest-tokens, and oasis-webhook-secret, which
deploy/setup-webhook.sh makes. These are used while they are there, and taken from the services when they
are not:
  oasis-read-tokens             who may read the feed; everybody, without it
  oasis-listen-database-url     LISTEN_DATABASE_URL, where oasis-database-url is that of a transaction pooler
  oasis-database-ca             a certificate, as the file /etc/oasis/ca.pem
  oasis-webhook-secret-previous the webhook's secret of before, during its rotation

Variables of the environment:
  TAG               of the images (latest)
  GCP_PROJECT       ids of the projects whose deploys are watched, with commas between them (PROJECT)
  CLOUD_SQL         PROJECT:REGION:INSTANCE, to be reached by its socket
  NETWORK, SUBNET   a network that private addresses are reached through
  WITHOUT_PREVIOUS  yes leaves oasis-webhook-secret-previous out, at the end of the rotation

What else was set on a service, such as other variables, stays as it is; so do the last CLOUD_SQL and NETWORK.

Who runs it must be owner of PROJECT, or have these roles there: serviceusage.serviceUsageAdmin,
iam.serviceAccountAdmin, iam.serviceAccountUser, secretmanager.admin, run.admin, cloudscheduler.admin,
artifactregistry.reader. And resourcemanager.projectIamAdmin in each project of GCP_PROJECT and in that of
CLOUD_SQL.
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
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=deploy/common.sh
. "$here/common.sh"

refuse() {
  printf 'error: %s\n' "$1" >&2
  exit 2
}
[[ $region =~ ^[a-z]+-[a-z]+[0-9]+$ ]] ||
  refuse "\"$region\" is not a region: expected one such as europe-west1"
[[ $images =~ ^[^[:space:]:@]+$ ]] ||
  refuse "\"$images\" is not where images are: expected HOST/PATH, without a tag"
[[ $tag =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]*$ ]] || refuse "\"$tag\" is not a tag of images"

# Older ones have a domain before a colon.
id='([a-z0-9.-]+:)?[a-z][-a-z0-9]*[a-z0-9]'
blanks='[[:space:]]'
watched=$(sed -E "s/$blanks*,$blanks*/,/g; s/^$blanks+//; s/$blanks+\$//" <<<"${GCP_PROJECT:-$project}")
[[ $watched =~ ^$id(,$id)*$ ]] ||
  refuse "GCP_PROJECT: \"$watched\" are not ids of projects, with commas between them"
IFS=, read -r -a projects <<<"$watched"
[ ${#projects[@]} -le 30 ] || refuse 'GCP_PROJECT: deploy-watcher watches at most 30 projects'

apis=(run secretmanager cloudscheduler logging iam cloudresourcemanager)
placed=()
if [ -n "${CLOUD_SQL-}" ]; then
  [[ $CLOUD_SQL =~ ^$id:[a-z0-9-]+:[a-z0-9-]+$ ]] ||
    refuse "CLOUD_SQL: \"$CLOUD_SQL\" is not an instance: expected PROJECT:REGION:INSTANCE"
  apis+=(sqladmin)
  placed+=(--set-cloudsql-instances "$CLOUD_SQL")
fi
if [ -n "${NETWORK-}${SUBNET-}" ]; then
  [[ -n "${NETWORK-}" && -n "${SUBNET-}" ]] || refuse 'NETWORK and SUBNET go together'
  placed+=(--network "$NETWORK" --subnet "$SUBNET" --vpc-egress private-ranges-only)
fi

case $vtid in
  *-*-*) layer=${vtid#*-} layer=${layer%-*} ;;
  *) layer=INFRA ;;
esac
"$here/ensure-vtid.sh" gateway-feed "$vtid" "$layer" gateway-feed >/dev/null

run() {
  if [ -n "$dry_run" ]; then
    printf 'would run:'
    printf ' %q' "$@"
    printf '\n'
  else
    "$@"
  fi
}

# A new account, and what it was granted, are not known everywhere at once: within two minutes, as a rule of
# IAM. Waits that long, and for nothing else.
exec 3>&1
patiently() {
  local said attempt
  for attempt in {1..13}; do
    if said=$(run "$@" 2>&1 >&3 | tee >(cat >&2)); then return 0; fi
    case $said in
      *'ervice account'*'does not exist'* | *'Permission denied on secret'*) ;;
      *) return 1 ;;
    esac
    if [ "$attempt" -lt 13 ]; then
      printf 'that may not be known everywhere yet: trying again\n' >&2
      sleep "${IAM_PAUSE:-10}"
    fi
  done
  return 1
}

# The e-mail address of a service account.
email() { printf '%s@%s.iam.gserviceaccount.com' "$1" "$project"; }

grant() {
  local role=$1 name=$2
  shift 2
  patiently "$@" --role "$role" --member "serviceAccount:$(email "$name")" --condition None --format none
}

account() {
  local name=$1
  if ! there gcloud iam service-accounts describe "$(email "$name")" --project "$project"; then
    run gcloud iam service-accounts create "$name" --project "$project"
  fi
}

# Each secret is readable by the accounts of the services that get it, and no other.
mount() {
  local name=$1 variable=$2 secret=$3
  grant roles/secretmanager.secretAccessor "$name" \
    gcloud secrets add-iam-policy-binding "$secret" --project "$project"
  # This very version: "latest" would be another one for each instance that starts after a rotation.
  local version
  version=$(gcloud secrets versions describe latest \
    --secret "$secret" --project "$project" --format 'value(name)')
  mounted+=("$variable=$secret:${version##*/}")
}

# Instances that start while a deploy still names a secret that is gone would fail.
mount_if_there() {
  if has_secret "$3"; then mount "$@"; else unmounted+=("$2"); fi
}

service() {
  local name=$1
  mounted=()
  unmounted=()
  account "$name"
  if [ -n "${CLOUD_SQL-}" ]; then
    grant roles/cloudsql.client "$name" gcloud projects add-iam-policy-binding "${CLOUD_SQL%:*:*}"
  fi
  mount "$name" DATABASE_URL oasis-database-url
  mount_if_there "$name" /etc/oasis/ca.pem oasis-database-ca
}

with_commas() {
  local IFS=,
  printf '%s' "$*"
}

deploy() {
  local name=$1 labels
  shift
  labels=$("$here/ensure-vtid.sh" "$name" "$vtid" "$layer" "$name")
  if [ ${#unmounted[@]} -gt 0 ]; then set -- --remove-secrets "$(with_commas "${unmounted[@]}")" "$@"; fi
  patiently gcloud run deploy "$name" --project "$project" --region "$region" --image "$images/$name:$tag" \
    --service-account "$(email "$name")" --update-secrets "$(with_commas "${mounted[@]}")" "$labels" \
    "${placed[@]}" "$@"
}

address() {
  if [ -n "$dry_run" ]; then
    printf 'https://%s.example' "$1"
  else
    gcloud run services describe "$1" --project "$project" --region "$region" --format 'value(status.url)'
  fi
}

run gcloud services enable "${apis[@]/%/.googleapis.com}" --project "$project"
for secret in oasis-database-url oasis-ingest-tokens oasis-webhook-secret; do
  if ! has_secret "$secret"; then
    printf 'error: the secret %s is missing in project %s, or has no version: see --help\n' \
      "$secret" "$project" >&2
    exit 1
  fi
done

# The feed. One instance is always there and has its processor between requests, too (--no-cpu-throttling): it
# follows the table. A stream is a request: 3600 s is the longest that Cloud Run allows, and clients resume
# after it. Each of up to 1,000 clients is a request under way. Any instance serves any client: no session
# affinity. Each instance may hold ten connections to the database, of webhook-ingest nine: with at most four
# and four they are 76.
service gateway-feed
mount gateway-feed INGEST_TOKENS oasis-ingest-tokens
mount_if_there gateway-feed READ_TOKENS oasis-read-tokens
mount_if_there gateway-feed LISTEN_DATABASE_URL oasis-listen-database-url
if [[ " ${unmounted[*]} " == *' READ_TOKENS '* ]]; then
  printf 'note: there is no secret oasis-read-tokens, so everybody may read the feed\n' >&2
fi
deploy gateway-feed --allow-unauthenticated --ingress all --min-instances 1 --max-instances 4 \
  --no-cpu-throttling --concurrency 1000 --timeout 3600 --no-session-affinity --cpu 1 --memory 512Mi

# GitHub waits 10 s and does not try again: one instance is kept warm. Its deliveries are signed, so anybody
# may ask. A delivery may have 25 MiB, and each request under way holds its own.
service webhook-ingest
mount webhook-ingest GITHUB_WEBHOOK_SECRET oasis-webhook-secret
if [ -n "${WITHOUT_PREVIOUS-}" ]; then
  unmounted+=(GITHUB_WEBHOOK_SECRET_PREVIOUS)
else
  mount_if_there webhook-ingest GITHUB_WEBHOOK_SECRET_PREVIOUS oasis-webhook-secret-previous
fi
deploy webhook-ingest --allow-unauthenticated --ingress all --min-instances 1 --max-instances 4 \
  --concurrency 80 --timeout 30 --cpu 1 --memory 512Mi

# Only Cloud Scheduler may ask it, and it alone can reach it: at the run.app address the Scheduler of the same
# project counts as internal. One instance: a poll at a time is all that there is to do.
service deploy-watcher
for watched_project in "${projects[@]}"; do
  grant roles/logging.viewer deploy-watcher gcloud projects add-iam-policy-binding "$watched_project"
done
deploy deploy-watcher --no-allow-unauthenticated --ingress internal --min-instances 0 --max-instances 1 \
  --concurrency 10 --timeout 300 --cpu 1 --memory 512Mi --update-env-vars "^;^GCP_PROJECT=$watched"

account oasis-scheduler
grant roles/run.invoker oasis-scheduler \
  gcloud run services add-iam-policy-binding deploy-watcher --project "$project" --region "$region"
url=$(address deploy-watcher)
verb=create
if there gcloud scheduler jobs describe deploy-watcher --project "$project" --location "$region"; then
  verb=update
fi
# Every minute. A poll that takes longer goes on, and the next one is told that it does.
patiently gcloud scheduler jobs "$verb" http deploy-watcher --project "$project" --location "$region" \
  --schedule '* * * * *' --http-method POST --uri "$url/poll" --attempt-deadline 180s \
  --oidc-token-audience "$url" --oidc-service-account-email "$(email oasis-scheduler)" --format none

feed=$(address gateway-feed)
webhook=$(address webhook-ingest)
printf '\nThe page and the feed: %s\n' "$feed"
printf 'The webhook: deploy/setup-webhook.sh %s %s says what to paste in GitHub\n' "$project" "$webhook"
