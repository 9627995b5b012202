// Starts the page: which view the address asks for, what every view shares, and the clock that keeps them current.

import { Agents, AgentsPage } from "./agents.js";
import { byId, fill, on, setText } from "./dom.js";
import { Drawer } from "./drawer.js";
import { rowMatches } from "./groups.js";
import { Header } from "./header.js";
import { Home } from "./home.js";
import { listen, makeHelp } from "./keys.js";
import { icon } from "./look.js";
import { markTab, Notifier } from "./notify.js";
import { KeptSet, recall, remember, takeToken } from "./settings.js";
import { Store } from "./store.js";
import { TaskPage } from "./task.js";
import { formatView, parseView } from "./view.js";

/** @typedef {import("./event.js").AnyEvent} AnyEvent */
/** @typedef {import("./view.js").View} View */

/** How often what runs is drawn, however much comes. */
const DRAW_MS = 250;
/** How often a screen reader is told, at the most. */
const SAY_MS = 20_000;

/**
 * What the views share.
 *
 * @typedef {object} Context
 * @property {Store} store
 * @property {View} view
 * @property {KeptSet} stars
 * @property {KeptSet} dismissed
 * @property {Agents} agents
 * @property {(change: Partial<View>, replace: boolean) => void} change
 * @property {(event: AnyEvent) => void} open
 * @property {(id: number) => void} openId
 * @property {() => void} closed
 */

const store = new Store(takeToken());
const stars = new KeptSet("stars");
const dismissed = new KeptSet("dismissed");
const agents = new Agents(store);

/** @type {AnyEvent | null} The one in the drawer, if it is at hand. */
let opened = null;

/** Whether `j` and `k` went on from the event that was opened: the focus goes to the last one then. */
let moved = false;

/** @type {Context} */
const context = {
  store,
  view: parseView(location.pathname, location.search),
  stars,
  dismissed,
  agents,
  change: (change, replace) => go({ ...context.view, ...change }, replace),
  open: (event) => {
    opened = event;
    if (event.id === null) drawer.show(event, null);
    else showEvent(event.id);
  },
  openId: (id) => {
    opened = null;
    showEvent(id);
  },
  closed: () => {
    if (moved) move(0);
    moved = false;
    if (context.view.event === null) return;
    // Closing is going back, if opening went forward.
    if (history.state?.opened) history.back();
    else go({ ...context.view, event: null }, true);
  },
};

const main = byId("main");
const header = new Header(store);
const drawer = new Drawer(context);
const help = makeHelp();
const home = new Home(context);
/** @type {TaskPage | null} */
let task = null;
/** @type {AgentsPage | null} */
let agentsPage = null;
const notifier = new Notifier(({ state }) => context.open(state.event));

/** @param {number} by */
function move(by) {
  const page = current();
  if (!("move" in page)) return;
  page.move(by);
  if (by === 0 || context.view.event === null) return;
  moved = true;
  page.openSelected();
}

/** From one event to the next is no step of its own to go back. @param {number} id */
function showEvent(id) {
  go({ ...context.view, event: id }, context.view.event !== null);
}

function current() {
  switch (context.view.page) {
    case "home":
      return home;
    case "task":
      task ??= new TaskPage(context);
      return task;
    case "agents":
      agentsPage ??= new AgentsPage(context);
      return agentsPage;
  }
}

/** @param {View} view @param {boolean} replace */
function go(view, replace) {
  const address = formatView(view);
  if (address === `${location.pathname}${location.search}`) return;
  const state = view.event === null ? null : context.view.event === null ? { opened: true } : history.state;
  history[replace ? "replaceState" : "pushState"](state, "", address);
  show(view);
}

/** @param {View} view */
function show(view) {
  const before = context.view.page;
  context.view = view;
  const page = current();
  if (page.element.parentElement !== main) {
    main.replaceChildren(page.element);
    if (before !== view.page) main.focus({ preventScroll: true });
  }
  page.show();
  for (const link of document.querySelectorAll("nav [data-page]")) {
    link.ariaCurrent = link.getAttribute("data-page") === view.page ? "page" : null;
  }
  byId("live").setAttribute("href", view.page === "home" ? "/" : formatView({ ...home.view, event: null }));
  if (view.event === null) drawer.close();
  else
    drawer.show(
      opened?.id === view.event ? opened : (store.events.find((event) => event.id === view.event) ?? null),
      view.event,
    );
  draw();
}

on(window, "popstate", () => show(parseView(location.pathname, location.search)));

on(document, "click", (event) => {
  const link = /** @type {Element} */ (event.target).closest?.("a[data-route]");
  if (
    !link ||
    event.defaultPrevented ||
    event.button !== 0 ||
    event.ctrlKey ||
    event.metaKey ||
    event.shiftKey
  )
    return;
  event.preventDefault();
  const url = new URL(link.getAttribute("href") ?? "/", location.href);
  go(parseView(url.pathname, url.search), false);
});

let failures = 0;
let active = 0;
let said = { at: 0, state: "", failures: 0 };

function draw() {
  const now = Date.now();
  header.show(now);
  const page = current();
  const shown = home.tick(now);
  failures = shown.failures;
  active = shown.active;
  if (page !== home) page.tick(now);
  markTab(failures, page.title);
  const missing = byId("agents-count");
  missing.hidden = agents.missing === 0;
  setText(missing, String(agents.missing));
  missing.title = "late or lost";
  speak(now);
}

/** @param {number} now */
function speak(now) {
  const { state } = store.feed;
  const changed = state !== said.state && state !== "connecting";
  const more = failures > said.failures && store.seeded === "ready";
  if (failures < said.failures) said.failures = failures;
  if (!(changed || more) || now - said.at < SAY_MS) return;
  said = { at: now, state, failures };
  setText(
    byId("spoken"),
    `${state === "live" ? "Live" : state}. ${failures} recent failures, ${active} running or queued.`,
  );
}

let planned = false;
let wait = DRAW_MS;
function soon() {
  if (planned) return;
  planned = true;
  setTimeout(() => {
    planned = false;
    const begin = performance.now();
    draw();
    // However busy it gets, this takes a tenth of the time at the most.
    wait = Math.min(2_000, Math.max(DRAW_MS, 10 * (performance.now() - begin)));
  }, wait);
}

on(store, "events", (event) => {
  const { events, replay } = event.detail;
  home.take(events, replay);
  task?.take(events);
  soon();
});
on(store, "failed", (event) => {
  notifier.failed(
    event.detail.filter((/** @type {import("./groups.js").Row} */ row) => rowMatches(row, home.runMatches)),
  );
});
on(store, "state seeded learned gap", soon);
on(store, "state", () => {
  header.show(Date.now());
  if (store.feed.state !== "live") return;
  home.connected();
  task?.connected();
});
on(store, "reset", () => home.show(true));
for (const kept of [stars, dismissed]) on(kept, "change", () => home.show());
on(dismissed, "change", draw);
on(agents, "change", soon);
setInterval(draw, 1_000);

const themeButton = byId("theme");
const dark = matchMedia("(prefers-color-scheme: dark)");
let theme = recall("theme");
const isDark = () => (theme ?? (dark.matches ? "dark" : "light")) === "dark";
function showTheme() {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  themeButton.setAttribute("aria-label", isDark() ? "Use the light theme" : "Use the dark theme");
  themeButton.title = isDark() ? "Light theme" : "Dark theme";
}
on(themeButton, "click", () => {
  // What the system has anyway is not chosen: it is followed again.
  theme = isDark() === dark.matches ? (isDark() ? "light" : "dark") : null;
  remember("theme", theme);
  showTheme();
});
on(window, "storage", (event) => {
  if (event.key !== "oasis.theme") return;
  theme = recall("theme");
  showTheme();
});
on(dark, "change", showTheme);
fill(themeButton, icon("theme"));
showTheme();
const helpButton = byId("help");
helpButton.setAttribute("aria-label", "Keyboard and help");
helpButton.title = "Help (?)";
fill(helpButton, icon("help"));
on(helpButton, "click", () => help.showModal());

listen({
  search: () => {
    if (context.view.page !== "home") go({ ...home.view, event: null }, false);
    home.focusSearch();
  },
  move,
  enter: () => {
    const page = current();
    return "openSelected" in page && page.openSelected();
  },
  space: () => {
    const page = current();
    if (!("togglePause" in page)) return false;
    page.togglePause();
    return true;
  },
  go: (page) => go(page === "agents" ? parseView("/agents", "") : { ...home.view, event: null }, false),
  help: () => help.showModal(),
});

show(context.view);
store.start();
