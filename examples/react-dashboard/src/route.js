// The page in the address: `#/`, `#/projects/ID` or `#/workloads/ID`. The ids of resources need no encoding.

import { useSyncExternalStore } from "react";

function subscribe(listener) {
  addEventListener("hashchange", listener);
  return () => removeEventListener("hashchange", listener);
}

export function useRoute() {
  const hash = useSyncExternalStore(subscribe, () => location.hash);
  const [, page = "", id = ""] = hash.split("/");
  return { page, id };
}
