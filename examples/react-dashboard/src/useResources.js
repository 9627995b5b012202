import { useEffect, useReducer } from "react";
import { addEvents, NOTHING } from "./resources.js";

/**
 * The state of all resources. It is collected event by event, so it stays complete after the oldest events
 * have left the list.
 */
export function useResources(events) {
  const [known, add] = useReducer(addEvents, NOTHING);
  useEffect(() => add(events), [events]);
  return known;
}
