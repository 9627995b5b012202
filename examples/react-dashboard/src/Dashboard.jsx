// The frame of all pages: the header, the state of the connection, the page in the address, the metrics.

import { useSSE } from "@oasis-devhub/react";
import { useEffect, useRef } from "react";
import { Clusters } from "./Clusters.jsx";
import { ConnectionBadge, ConnectionNotice } from "./Connection.jsx";
import { Metrics } from "./Metrics.jsx";
import { Project } from "./Project.jsx";
import { useRoute } from "./route.js";
import { MAX_EVENTS } from "./settings.js";
import { clock } from "./time.js";
import { useResources } from "./useResources.js";
import { Workload } from "./Workload.jsx";

export function Dashboard({ session, logOut }) {
  const { since, user, expiresAt } = session;
  // The options are those of the provider, so this is the connection of the provider and not a second one.
  const feed = useSSE({ since, maxEvents: MAX_EVENTS });
  const known = useResources(feed.events);
  const { page, id } = useRoute();
  const main = useFocus(page, id);
  return (
    <>
      <header>
        <a href="#/">Clusters</a>
        <ConnectionBadge feed={feed} expiresAt={expiresAt} />
        <span className="user quiet">
          {user} {Number.isFinite(expiresAt) && `until ${clock(expiresAt)}`}
        </span>
        <button type="button" onClick={logOut}>
          Log out
        </button>
      </header>
      <ConnectionNotice feed={feed} expiresAt={expiresAt} logOut={logOut} />
      <div className="columns">
        <main ref={main} tabIndex={-1}>
          {page === "" && <Clusters known={known} connected={feed.connected} since={since} />}
          {page === "projects" && <Project id={id} known={known} />}
          {page === "workloads" && <Workload key={id} id={id} known={known} since={since} />}
          {!["", "projects", "workloads"].includes(page) && <p>There is no such page.</p>}
        </main>
        <Metrics connected={feed.connected} />
      </div>
    </>
  );
}

/** Moves the focus to the page after a change of the address, as a browser does for a new document. */
function useFocus(page, id) {
  const main = useRef(null);
  const place = `${page}/${id}`;
  const shown = useRef(place);
  useEffect(() => {
    document.title = id || "Clusters";
    if (shown.current !== place) main.current.focus();
    shown.current = place;
  }, [place, id]);
  return main;
}
