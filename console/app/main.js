// Starts the page: shows the view that the address names, and updates the view when events arrive.

import { addressOf, pathOf } from "./address.js";
import { Agents } from "./agents.js";
import { AgentsPage } from "./agents-page.js";
import { byId, fill, on, setText } from "./dom.js";
import { Drawer } from "./drawer.js";
import { rowMatches } from "./groups.js";
import { Header } from "./header.js";
import { Home } from "./home.js";
import { listen, makeHelp } from "./keys.js";
import { icon } from "./labels.js";
import { LazyPart } from "./lazy.js";
import { markTab, Notifier } from "./notify.js";
import { Router } from "./router.js";
import { KeptSet, takeToken, watchForToken } from "./settings.js";
import { speak } from "./spoken.js";
import { Store } from "./store.js";
import { TaskPage } from "./task.js";
import { makeThemeButton } from "./theme-button.js";
import { formatView, parseView } from "./view.js";

/** @typedef {import("./event.js").AnyEvent} AnyEvent */
/** @typedef {import("./groups.js").Row} Row */

/** The minimum time between two draws, however many events arrive. */
const DRAW_MS = 250;

const store = new Store(takeToken());
const stars = new KeptSet("stars");
const dismissed = new KeptSet("dismissed");
const agents = new Agents(store);
const router = new Router(show);

/** @type {AnyEvent | null} The event that was opened last; null if only the id of the event is known. */
let opened = null;

/**
 * Whether the user has moved to another event with `j` or `k` while the drawer was open. If so, closing the
 * drawer moves the focus to the row of that event.
 */
let moved = false;

/** @type {import("./router.js").Context} */
const context = {
  store,
  get view() {
    return router.view;
  },
  stars,
  dismissed,
  agents,
  change: (change, replace) => router.go({ ...router.view, ...change }, replace),
  open: (event) => {
    opened = event;
    if (event.id === null) drawer.show(event, null);
    else router.openEvent(event.id);
  },
  openId: (id) => {
    opened = null;
    router.openEvent(id);
  },
  closed: () => {
    if (moved) move(0);
    moved = false;
    router.closeEvent();
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
const shown = () => show(router.view);
const rooms = new LazyPart("Rooms", () => import("./rooms/index.js"), context, shown);
const casts = new LazyPart("Casts", () => import("./casts/index.js"), context, shown);
const canon = new LazyPart("Canon", () => import("./canon/index.js"), context, shown);
const notifier = new Notifier(({ state }) => context.open(state.event));

function current() {
  switch (router.view.page) {
    case "home":
      return home;
    case "task":
      task ??= new TaskPage(context);
      return task;
    case "agents":
      agentsPage ??= new AgentsPage(context);
      return agentsPage;
    case "rooms":
    case "room":
      return rooms.pageOf(router.view.page);
    case "casts":
    case "cast":
    case "audit":
      return casts.pageOf(router.view.page);
    case "canon":
      return canon.pageOf("canon");
  }
}

/** @param {string} selector @returns {NodeListOf<HTMLAnchorElement>} */
const linksIn = (selector) => document.querySelectorAll(selector);

/** The last view of the home page. */
const homeView = () => ({ ...home.view, event: null });

/** @param {import("./view.js").View} before */
function show(before) {
  const { view } = router;
  const page = current();
  if (page.element.parentElement !== main) {
    main.replaceChildren(page.element);
    if (before.page !== view.page) main.focus({ preventScroll: true });
  }
  page.show();
  if (page !== home) home.leave();
  for (const part of [rooms, casts, canon]) part.leaveAllBut(page);
  const [, folder] = formatView(view).split(/[/?]/);
  for (const link of linksIn("nav a")) {
    link.ariaCurrent = pathOf(link.pathname) === `/${folder}` ? "page" : null;
  }
  byId("live").setAttribute("href", addressOf(view.page === "home" ? "/" : formatView(homeView())));
  if (view.event === null) drawer.close();
  else {
    const isShown = (/** @type {AnyEvent | null} */ event) => event?.id === view.event;
    drawer.show(isShown(opened) ? opened : (store.events.find(isShown) ?? null), view.event);
  }
  draw();
}

function draw() {
  const now = store.now();
  header.show(now);
  const page = current();
  const shown = home.tick(now);
  if (page !== home) page.tick(now);
  markTab(shown.failures, page.title);
  const missing = byId("agents-count");
  missing.hidden = agents.missing === 0;
  setText(missing, agents.missing);
  speak(store, shown, now);
}

let planned = false;
let wait = DRAW_MS;
function scheduleDraw() {
  if (planned) return;
  planned = true;
  setTimeout(() => {
    planned = false;
    const begin = performance.now();
    draw();
    // After a slow draw, wait ten times the duration of this draw, but at most 2 s.
    wait = Math.min(2_000, Math.max(DRAW_MS, 10 * (performance.now() - begin)));
  }, wait);
}

on(store, "events", (event) => {
  const { events, replay } = event.detail;
  home.take(events, replay);
  task?.take(events);
  scheduleDraw();
});
on(store, "failed", (event) => {
  const rows = /** @type {Row[]} */ (event.detail);
  notifier.failed(rows.filter((row) => rowMatches(row, home.runMatches)));
});
on(store, "state seeded learned gap", scheduleDraw);
on(store, "state", () => {
  header.show(store.now());
  if (store.feed.state !== "live") return;
  home.connected();
  task?.connected();
});
on(store, "reset", () => {
  home.show(true);
  task?.reset();
});
for (const kept of [stars, dismissed]) on(kept, "change", () => home.show());
on(dismissed, "change", draw);
on(agents, "change", () => {
  store.beats.learn(agents.list);
  scheduleDraw();
});
setInterval(draw, 1_000);

// The links in the document are relative to the address at which the page was loaded. This address changes
// when another view opens.
for (const link of linksIn("a[data-route]")) link.setAttribute("href", link.pathname);
makeThemeButton(byId("theme"));
fill(byId("help"), icon("help"));
on(byId("help"), "click", () => help.showModal());

/** @param {number} by */
function move(by) {
  const page = current();
  if (!("move" in page)) return;
  page.move(by);
  if (by === 0 || router.view.event === null || !("openSelected" in page)) return;
  moved = true;
  page.openSelected();
}

listen({
  search: () => {
    const page = current();
    if ("focusSearch" in page) return page.focusSearch();
    router.go(homeView(), false);
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
  go: (page) => router.go(page === "home" ? homeView() : parseView(`/${page}`, ""), false),
  help: () => help.showModal(),
});

watchForToken();
show(router.view);
store.start();
