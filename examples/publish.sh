#!/bin/sh
# Sends one event, which reports that a task exists. The gateway answers once the event is committed.
# With the status `in_progress`, the page would show a task that runs until another `task.init` ends it.
set -eu
curl --fail-with-body --silent --show-error --max-time 30 \
  "${GATEWAY_URL:-http://localhost:8080}/events/ingest" \
  --header "Authorization: Bearer ${INGEST_TOKEN:-none}" \
  --header 'Content-Type: application/json' \
  --data '{
    "source": "oasis.events",
    "kind": "task.init",
    "status": "info",
    "vtid": "DEV-CICDL-0031",
    "module": "EXAMPLE",
    "meta": { "from": "publish.sh" }
  }'
echo
