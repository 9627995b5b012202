#!/usr/bin/env bash
# Deploys the services to Cloud Run, and makes Cloud Scheduler poll deploy-watcher. Each service has its own
# account with only the rights that it needs. The script can be run again at any time, even after an
# interruption.
set -euo pipefail

usage() {
  cat <<'EOF'
Usage: cloud-run.sh [--dry-run] PROJECT REGION IMAGES VTID

  PROJECT    the id of the Google Cloud project
  REGION     the region, such as europe-west1
  IMAGES     the repository of the images, such as europe-west1-docker.pkg.dev/PROJECT/oasis. The image of a
             service is IMAGES/SERVICE:TAG
  VTID       the task that this deploy belongs to, such as DEV-CICDL-0031
  --dry-run  print the commands that change something, but do not run them

Secret Manager must have the secrets oasis-database-url, oasis-ingest-tokens and oasis-webhook-secret.
deploy/setup-webhook.sh makes oasis-webhook-secret. The following secrets are optional. If one of them does
not exist, the services are deployed without it:
  oasis-read-tokens             tokens for reading the feed. Without them, anyone can read the feed
  oasis-jwt-secret              JWT_SECRET: secrets that verify JSON Web Tokens of users
  oasis-authjs-secret           AUTHJS_SECRET: secrets of Auth.js, which open the sessions of its users
  oasis-jwt-public-key          a public key in PEM that verifies JSON Web Tokens of users, with the kid
                                public-key. It is mounted as the file /etc/oasis-jwt/public-key.pem
  oasis-listen-database-url     LISTEN_DATABASE_URL, if oasis-database-url is a transaction pooler's URL
  oasis-database-ca             the database's CA certificate, mounted as the file /etc/oasis/ca.pem
  oasis-webhook-secret-previous the previous secret of the webhook, during a rotation

Environment variables, with their defaults in parentheses:
  TAG               tag of the images (latest)
  GCP_PROJECT       comma-separated ids of the projects whose deploys are watched (PROJECT)
  CLOUD_SQL         PROJECT:REGION:INSTANCE of a Cloud SQL instance, to connect through its socket
  NETWORK, SUBNET   network and subnet, to connect to private addresses
  JWKS_URL          address of the JWK set whose keys verify JSON Web Tokens of users. It needs the next two
  JWT_ISSUER        comma-separated issuers of JSON Web Tokens
  JWT_AUDIENCE      comma-separated audiences of JSON Web Tokens
  CORS_ORIGINS      comma-separated origins whose pages may use rooms with the cookie of a session
  TRUSTED_PROXY_HOPS  proxies that append to X-Forwarded-For (1); 2 behind an external load balancer
  RESOURCES         workloads of repositories and services (RESOURCES of webhook-ingest and deploy-watcher)
  WITHOUT_PREVIOUS  yes to deploy without oasis-webhook-secret-previous, at the end of a rotation

The script keeps all other settings of a service. If CLOUD_SQL, NETWORK, SUBNET, JWKS_URL, JWT_ISSUER,
JWT_AUDIENCE, CORS_ORIGINS or RESOURCES is not set, the services keep the last value of that setting.

The caller must be an owner of PROJECT, or have these roles in it: serviceusage.serviceUsageAdmin,
iam.serviceAccountAdmin, iam.serviceAccountUser, secretmanager.admin, run.admin, cloudscheduler.admin,
artifactregistry.reader. The caller also needs resourcemanager.projectIamAdmin in each project of GCP_PROJECT
and in the project of CLOUD_SQL.
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
  refuse "\"$images\" is not a repository of images: expected HOST/PATH, without a tag"
[[ $tag =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]*$ ]] || refuse "\"$tag\" is not a tag of images"

# Older project ids start with a domain and a colon.
id='([a-z0-9.-]+:)?[a-z][-a-z0-9]*[a-z0-9]'
blanks='[[:space:]]'
watched=$(sed -E "s/$blanks*,$blanks*/,/g; s/^$blanks+//; s/$blanks+\$//" <<<"${GCP_PROJECT:-$project}")
[[ $watched =~ ^$id(,$id)*$ ]] ||
  refuse "GCP_PROJECT: \"$watched\" is not a comma-separated list of project ids"
IFS=, read -r -a projects <<<"$watched"
[ ${#projects[@]} -le 30 ] || refuse 'GCP_PROJECT: deploy-watcher watches at most 30 projects'

apis=(run secretmanager cloudscheduler logging iam cloudresourcemanager)
connection_flags=()
if [ -n "${CLOUD_SQL-}" ]; then
  [[ $CLOUD_SQL =~ ^$id:[a-z0-9-]+:[a-z0-9-]+$ ]] ||
    refuse "CLOUD_SQL: \"$CLOUD_SQL\" is not an instance: expected PROJECT:REGION:INSTANCE"
  apis+=(sqladmin)
  connection_flags+=(--set-cloudsql-instances "$CLOUD_SQL")
fi
if [ -n "${NETWORK-}${SUBNET-}" ]; then
  [[ -n "${NETWORK-}" && -n "${SUBNET-}" ]] || refuse 'NETWORK and SUBNET must be set together'
  connection_flags+=(--network "$NETWORK" --subnet "$SUBNET" --vpc-egress private-ranges-only)
fi

# The settings that are not secret, separated by semicolons, because a value may have commas. RESOURCES is for
# webhook-ingest and deploy-watcher, and the others are for gateway-feed.
variables=()
for name in JWKS_URL JWT_ISSUER JWT_AUDIENCE CORS_ORIGINS RESOURCES; do
  value=${!name-}
  [[ $value != *[';'$'\n']* ]] || refuse "$name: the value must not have a semicolon or a line break"
  [[ -z $value || $name == RESOURCES ]] || variables+=("$name=$value")
done
webhook_flags=()
watcher_variables=("GCP_PROJECT=$watched")
if [ -n "${RESOURCES-}" ]; then
  webhook_flags+=(--update-env-vars "^;^RESOURCES=$RESOURCES")
  watcher_variables+=("RESOURCES=$RESOURCES")
fi
if [ -n "${JWKS_URL-}" ]; then
  [[ $JWKS_URL =~ ^https://[^[:space:]/]+/[^[:space:]]+$ ]] ||
    refuse "JWKS_URL: \"$JWKS_URL\" is not the address of a JWK set: expected https://HOST/PATH"
  [[ -n "${JWT_ISSUER-}" && -n "${JWT_AUDIENCE-}" ]] || refuse 'JWKS_URL needs JWT_ISSUER and JWT_AUDIENCE'
fi

layer=INFRA
[[ $vtid =~ ^[A-Za-z0-9]+-([A-Za-z][A-Za-z0-9]{0,15})- ]] && layer=${BASH_REMATCH[1]}
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

# Runs a command. If it fails because an IAM change has not taken effect yet, retries the command for two
# minutes. A new account and its grants usually take effect everywhere within that time.
exec 3>&1
retry_iam() {
  local errors attempt
  for attempt in {1..13}; do
    if errors=$(run "$@" 2>&1 >&3 | tee >(cat >&2)); then return 0; fi
    case $errors in
      *'ervice account'*'does not exist'* | *'Permission denied on secret'*) ;;
      *) return 1 ;;
    esac
    if [ "$attempt" -lt 13 ]; then
      printf 'a change of IAM may not have taken effect yet: trying again\n' >&2
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
  retry_iam "$@" --role "$role" --member "serviceAccount:$(email "$name")" --condition None --format none
}

account() {
  local name=$1
  if ! exists gcloud iam service-accounts describe "$(email "$name")" --project "$project"; then
    run gcloud iam service-accounts create "$name" --project "$project"
  fi
}

# mount SERVICE VARIABLE SECRET: mounts a secret in a service, and lets the account of the service read it.
mount() {
  local name=$1 variable=$2 secret=$3
  grant roles/secretmanager.secretAccessor "$name" \
    gcloud secrets add-iam-policy-binding "$secret" --project "$project"
  # Pin the version. With "latest", instances that start after a rotation would get a different value than the
  # others.
  local version
  version=$(gcloud secrets versions describe latest \
    --secret "$secret" --project "$project" --format 'value(name)')
  mounted+=("$variable=$secret:${version##*/}")
}

# mount_if_exists SERVICE VARIABLE SECRET: mounts an optional secret. If the secret does not exist, unmounts
# it, because an instance cannot start if a secret of its service is missing.
mount_if_exists() {
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
  mount_if_exists "$name" /etc/oasis/ca.pem oasis-database-ca
}

with_commas() {
  local IFS=,
  printf '%s' "$*"
}

with_semicolons() {
  local IFS=';'
  printf '%s' "$*"
}

deploy() {
  local name=$1 labels
  shift
  labels=$("$here/ensure-vtid.sh" "$name" "$vtid" "$layer" "$name")
  if [ ${#unmounted[@]} -gt 0 ]; then set -- --remove-secrets "$(with_commas "${unmounted[@]}")" "$@"; fi
  retry_iam gcloud run deploy "$name" --project "$project" --region "$region" --image "$images/$name:$tag" \
    --service-account "$(email "$name")" --update-secrets "$(with_commas "${mounted[@]}")" "$labels" \
    "${connection_flags[@]}" "$@"
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

# gateway-feed follows the table all the time. So one instance always runs, and it gets CPU between requests
# (--no-cpu-throttling). The stream of a client is one request. Cloud Run ends a request after 3600 s at most,
# and then the client resumes. An instance serves up to 1,000 concurrent requests, one for each client. Any
# instance can serve any client, so there is no session affinity. An instance of gateway-feed has up to ten
# connections to the database, and an instance of webhook-ingest has up to nine. Four instances of each have
# up to 76 connections.
service gateway-feed
mount gateway-feed INGEST_TOKENS oasis-ingest-tokens
mount_if_exists gateway-feed READ_TOKENS oasis-read-tokens
mount_if_exists gateway-feed JWT_SECRET oasis-jwt-secret
mount_if_exists gateway-feed AUTHJS_SECRET oasis-authjs-secret
mount_if_exists gateway-feed LISTEN_DATABASE_URL oasis-listen-database-url
public_key=/etc/oasis-jwt/public-key.pem
mount_if_exists gateway-feed "$public_key" oasis-jwt-public-key
# The gateway does not start if JWT_PUBLIC_KEYS names a file that does not exist.
environment=()
if [[ " ${unmounted[*]} " == *" $public_key "* ]]; then
  environment+=(--remove-env-vars JWT_PUBLIC_KEYS)
else
  variables+=("JWT_PUBLIC_KEYS=$public_key")
fi
# The proxy of Cloud Run appends the address of the client to X-Forwarded-For.
variables+=("TRUSTED_PROXY_HOPS=${TRUSTED_PROXY_HOPS:-1}")
environment+=(--update-env-vars "^;^$(with_semicolons "${variables[@]}")")
if [[ " ${unmounted[*]} " == *' READ_TOKENS '* ]]; then
  printf 'note: the secret oasis-read-tokens does not exist, so anyone can read the feed\n' >&2
fi
deploy gateway-feed --allow-unauthenticated --ingress all --min-instances 1 --max-instances 4 \
  --no-cpu-throttling --concurrency 1000 --timeout 3600 --no-session-affinity --cpu 1 --memory 512Mi \
  "${environment[@]}"

# GitHub waits 10 s and does not retry, so one instance always runs. Deliveries are signed, so Cloud Run does
# not authenticate the sender. Each concurrent request holds a delivery of up to 25 MiB, so an instance gets
# fewer concurrent requests than gateway-feed.
service webhook-ingest
mount webhook-ingest GITHUB_WEBHOOK_SECRET oasis-webhook-secret
if [ -n "${WITHOUT_PREVIOUS-}" ]; then
  unmounted+=(GITHUB_WEBHOOK_SECRET_PREVIOUS)
else
  mount_if_exists webhook-ingest GITHUB_WEBHOOK_SECRET_PREVIOUS oasis-webhook-secret-previous
fi
deploy webhook-ingest --allow-unauthenticated --ingress all --min-instances 1 --max-instances 4 \
  --concurrency 80 --timeout 30 --cpu 1 --memory 512Mi "${webhook_flags[@]}"

# Only the account of Cloud Scheduler may call deploy-watcher. With internal ingress, the Scheduler of the
# same project can still call the run.app address. One instance is enough, because only one poll runs at a
# time.
service deploy-watcher
for watched_project in "${projects[@]}"; do
  grant roles/logging.viewer deploy-watcher gcloud projects add-iam-policy-binding "$watched_project"
done
deploy deploy-watcher --no-allow-unauthenticated --ingress internal --min-instances 0 --max-instances 1 \
  --concurrency 10 --timeout 300 --cpu 1 --memory 512Mi \
  --update-env-vars "^;^$(with_semicolons "${watcher_variables[@]}")"

account oasis-scheduler
grant roles/run.invoker oasis-scheduler \
  gcloud run services add-iam-policy-binding deploy-watcher --project "$project" --region "$region"
url=$(address deploy-watcher)
verb=create
if exists gcloud scheduler jobs describe deploy-watcher --project "$project" --location "$region"; then
  verb=update
fi
# The Scheduler requests a poll every minute. If a poll is still running, deploy-watcher skips the new poll.
retry_iam gcloud scheduler jobs "$verb" http deploy-watcher --project "$project" --location "$region" \
  --schedule '* * * * *' --http-method POST --uri "$url/poll" --attempt-deadline 180s \
  --oidc-token-audience "$url" --oidc-service-account-email "$(email oasis-scheduler)" --format none

feed=$(address gateway-feed)
webhook=$(address webhook-ingest)
printf '\nThe address of the page and the feed: %s\n' "$feed"
printf 'To see the settings of the webhook for GitHub, run: deploy/setup-webhook.sh %s %s\n' \
  "$project" "$webhook"
