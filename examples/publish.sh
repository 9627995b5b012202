#!/bin/sh
# Sends one event, which reports the start of a task. The gateway answers once the event is committed.
set -eu
curl --fail-with-body --silent --show-error --max-time 30 \
  "${GATEWAY_URL:-http://localhost:8080}/events/ingest" \
  --header "Authorization: Bearer ${INGEST_TOKEN:-none}" \
  --header 'Content-Type: application/json' \
  --data '{
    "source": "oasis.events",
    "kind": "task.init",
    "status": "in_progress",
    "vtid": "DEV-CICDL-0031",
    "module": "EXAMPLE",
    "meta": { "from": "publish.sh" }
  }'
echo
