"""Sends two events in one request: a build begins, and the build succeeds. Both events have the same kind, so
the second event ends the first. If the gateway can't commit the events now, tries again a few times.

Each event has a `dedup_key`, and the gateway stores only one event per key. So a second try is safe, even
if the first try succeeded and only its answer was lost.
"""

import json
import os
import time
import urllib.error
import urllib.request
import uuid

URL = os.environ.get("GATEWAY_URL", "http://localhost:8080") + "/events/ingest"
TOKEN = os.environ.get("INGEST_TOKEN", "none")


def event(kind, status):
    return {
        "source": "oasis.events",
        "kind": kind,
        "status": status,
        "vtid": "DEV-CICDL-0031",
        "module": "EXAMPLE",
        "meta": {"from": "publish.py"},
        "dedup_key": str(uuid.uuid4()),
    }


def publish(events):
    request = urllib.request.Request(
        URL,
        json.dumps(events).encode(),
        {"Content-Type": "application/json", "Authorization": "Bearer " + TOKEN},
    )
    for attempt in range(6):
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            # If the request itself is wrong, another try does not help. The body describes the problem.
            if error.code != 503:
                raise SystemExit(f"refused with {error.code}: {error.read().decode()}")
        except OSError as error:
            print("cannot reach the gateway:", error)
        time.sleep(2**attempt)
    raise SystemExit("gave up: the gateway does not accept events")


print(publish([event("build", "in_progress"), event("build", "success")]))
