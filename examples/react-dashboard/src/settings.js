// The gateway's address. Without it, the page sends its requests to its own origin, and the dev server passes
// them on to the gateway.
export const GATEWAY_URL = import.meta.env.VITE_GATEWAY_URL || undefined;

// The number of events that the page keeps. The first connection brings the events of one hour, so the number
// is larger than the default of 100.
export const MAX_EVENTS = 5_000;
