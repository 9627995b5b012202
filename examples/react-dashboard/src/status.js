// The statuses of resources, and the tones of their colours.

const TONES = {
  good: ["Running", "Ready", "healthy"],
  busy: ["Pending", "Building", "Deploying", "Creating", "Deleting"],
  warn: ["Degraded"],
  bad: ["Failed", "Error", "unhealthy"],
};

// A newer gateway may send other statuses.
export const toneOf = (status) =>
  Object.keys(TONES).find((tone) => TONES[tone].includes(status)) ?? "unknown";

export const isOnItsWay = (status) => toneOf(status) === "busy";
