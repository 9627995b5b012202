"""Prints the events of the feed until Ctrl-C. A lost connection neither loses nor repeats an event.

After a lost connection, the program sends the id of its last event in the `Last-Event-ID` header, and the
gateway continues after that event. To resume after a restart of this program, store `last_id` with your own
results.
"""

import http.client
import json
import os
import random
import sys
import time
import urllib.error
import urllib.request

URL = os.environ.get("GATEWAY_URL", "http://localhost:8080") + "/api/v1/devhub/feed"
TOKEN = os.environ.get("READ_TOKEN")
# The feed sends a heartbeat every 15 s. If two heartbeats are missing, the connection is dead.
SILENCE = 40


def messages(last_id):
    """Yields (id, message) for each block of the stream. Each of the two can be None."""
    headers = {"Accept": "text/event-stream"}
    if last_id:
        headers["Last-Event-ID"] = last_id
    if TOKEN:
        headers["Authorization"] = "Bearer " + TOKEN
    with urllib.request.urlopen(urllib.request.Request(URL, headers=headers), timeout=SILENCE) as stream:
        event_id, data = None, []
        for line in stream:
            line = line.decode().rstrip("\r\n")
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "id":
                event_id = value
            elif field == "data":
                data.append(value)
            elif not line:
                yield event_id, json.loads("\n".join(data)) if data else None
                event_id, data = None, []


def follow():
    last_id = None
    wait = 1
    while True:
        try:
            for event_id, message in messages(last_id):
                wait = 1
                if message and "type" not in message:
                    event = (event_id or "simulated", message["ts"], message["title"], message["status"])
                    print(*event, flush=True)
                elif message and message["type"] == "gap":
                    print("gap:", message["reason"], flush=True)
                # Move the cursor only after the message has been handled. A block without a message also
                # moves the cursor.
                last_id = event_id or last_id
        except urllib.error.HTTPError as error:
            if error.code in (400, 401, 403):
                raise SystemExit(f"refused with {error.code}: {error.read().decode()}")
            print("the gateway answered", error.code, file=sys.stderr)
        except (OSError, http.client.HTTPException) as error:
            print("cannot reach the gateway:", error, file=sys.stderr)
        # Wait a random time. Otherwise clients that were cut off together would reconnect together.
        time.sleep(wait * random.uniform(1, 1.5))
        wait = min(wait * 2, 30)


try:
    follow()
except KeyboardInterrupt:
    pass
