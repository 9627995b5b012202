#!/usr/bin/env bash
# Reports a change of a cast to the gateway, from a job of a GitHub workflow or from any other program.
set -euo pipefail

usage() {
  cat <<'EOF'
Usage: report-cast.sh CAST_ID [NAME=VALUE …]

Sends the fields to the gateway:

  status        running, succeeded or failed; also success and cancelled, the words of GitHub
  progress      a number from 0 to 100
  message       what the job does now
  artifactUrl   where the result is
  errorMessage  why the job failed
  runId         the id of the workflow run; in a job of GitHub, the id of this run by default
  runAttempt    the attempt; in a job of GitHub, the attempt of this run by default

  report-cast.sh "$CAST_ID" status=success artifactUrl=https://example.com/site.zip

Environment:

  GATEWAY_URL    the address of the gateway, such as https://gateway.example
  INGEST_TOKEN   one of the gateway's INGEST_TOKENS, with the source casts

Needs curl and jq. Retries for a minute if the gateway does not answer. Exits with code 1 if the gateway
refuses the change. An end that the gateway already knows is not an error.
EOF
}

refuse() {
  printf 'error: %s\n' "$1" >&2
  exit "${2:-1}"
}

case "${1-}" in
  -h | --help)
    usage
    exit 0
    ;;
  '')
    usage >&2
    exit 2
    ;;
esac
cast=$1
shift
[[ $cast =~ ^[A-Za-z0-9._-]{1,128}$ ]] || refuse "\"$cast\" is not the id of a cast"
[[ ${GATEWAY_URL-} =~ ^https?://[^[:space:]]+$ ]] || refuse 'GATEWAY_URL is not set, or is not an address'
[ -n "${INGEST_TOKEN-}" ] || refuse 'INGEST_TOKEN is not set'

body='{}'
for field in "$@"; do
  name=${field%%=*} value=${field#*=}
  [ "$name" != "$field" ] || refuse "\"$field\" is not NAME=VALUE" 2
  case $name in
    status | message | artifactUrl | errorMessage | runId)
      body=$(jq -c --arg name "$name" --arg value "$value" '.[$name] = $value' <<<"$body")
      ;;
    progress | runAttempt)
      number=$(jq -c tonumber <<<"\"$value\"" 2>/dev/null) ||
        refuse "$name: \"$value\" is not a number"
      body=$(jq -c --arg name "$name" --argjson value "$number" '.[$name] = $value' <<<"$body")
      ;;
    *) refuse "\"$name\" is not a field of a cast" 2 ;;
  esac
done
if [ -n "${GITHUB_RUN_ID-}" ]; then
  body=$(jq -c --arg run "$GITHUB_RUN_ID" --argjson attempt "${GITHUB_RUN_ATTEMPT:-1}" \
    '{runId: $run, runAttempt: $attempt} + .' <<<"$body")
fi

# curl reads the token from a file descriptor, so that it is not in the list of processes.
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT
status=$(curl --silent --show-error --output "$answer" --write-out '%{http_code}' --request PATCH \
  --retry 6 --retry-max-time 60 --retry-connrefused --max-time 20 \
  --config <(printf 'header = "Authorization: Bearer %s"\n' "$INGEST_TOKEN") \
  --header 'Content-Type: application/json' --data "$body" "${GATEWAY_URL%/}/api/casts/$cast") ||
  refuse "the gateway at $GATEWAY_URL does not answer"
case $status in
  200) ;;
  *)
    code=$(jq -r '.error.code // empty' "$answer" 2>/dev/null) || code=
    [ "$code" = cast_ended ] && exit 0
    refuse "the gateway answered $status: $(jq -r '.error.message // empty' "$answer" 2>/dev/null)"
    ;;
esac
