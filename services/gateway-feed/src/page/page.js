// The live list of the gateway's page: follows the feed and shows the last 100 events.

const MOST = 100;
const token = new URLSearchParams(location.search).get("token");
const suffix = token ? `?token=${encodeURIComponent(token)}` : "";
const state = document.getElementById("state");
const simulated = document.getElementById("simulated");
const events = document.getElementById("events");

for (const link of document.querySelectorAll("footer a[href^='/api/']")) {
  link.href += suffix;
}

function show(text, name) {
  state.textContent = text;
  state.dataset.state = name;
}

function cell(row, text) {
  const cell = row.insertCell();
  cell.textContent = text;
  return cell;
}

function add(event) {
  const row = events.insertRow(0);
  const time = document.createElement("time");
  time.dateTime = event.ts;
  time.title = event.ts;
  time.textContent = new Date(event.ts).toLocaleTimeString();
  cell(row, "").append(time);
  const status = document.createElement("span");
  status.className = "status";
  status.dataset.status = event.status;
  status.textContent = event.status;
  cell(row, "").append(status);
  cell(row, event.vtid);
  const title = cell(row, "");
  if (event.link) {
    const link = document.createElement("a");
    link.href = event.link;
    link.rel = "noopener noreferrer";
    link.textContent = event.title;
    title.append(link);
  } else {
    title.textContent = event.title;
  }
  cell(row, event.source);
  while (events.rows.length > MOST) events.deleteRow(-1);
}

function mode(name) {
  simulated.hidden = name !== "mock";
  show(name === "mock" ? "simulated" : name, name);
}

const feed = new EventSource(`/api/v1/devhub/feed${suffix}`);
feed.onmessage = ({ data }) => {
  const message = JSON.parse(data);
  switch (message.type) {
    case undefined:
      return add(message);
    case "connected":
      return mode(message.mode);
    case "mode":
      events.replaceChildren();
      return mode(message.mode);
    case "gap":
      return show(
        message.reason === "reset"
          ? "live, on another database than before"
          : `live, but events ${message.from + 1} to ${message.to} are gone`,
        "gap",
      );
  }
};
feed.onerror = () =>
  feed.readyState === EventSource.CLOSED
    ? show("refused: is a token needed?", "gone")
    : show("reconnecting", "gone");
