// Draws the steps of a task in a row, with the time between the steps.

import { fill, h, isNew } from "./dom.js";
import { icon, time } from "./labels.js";
import { duration, moment } from "./time.js";

/**
 * @param {HTMLElement} list
 * @param {import("./journey.js").Milestone[]} steps
 * @param {number} now
 */
export function drawSteps(list, steps, now) {
  const key = steps.map((step) => `${step.name} ${step.at}`).join();
  if (!isNew(list, key)) return;
  list.hidden = steps.length === 0;
  const first = steps[0];
  const last = steps.at(-1);
  fill(
    list,
    ...steps.map((step) =>
      h(
        "li",
        step.gap !== null && h("span.hop", duration(step.gap)),
        h(
          `span.step.s-${step.event.status}`,
          icon(step.event.status),
          h("strong", step.name),
          time(step.at, moment(step.at, now)),
        ),
      ),
    ),
    first &&
      last &&
      first !== last &&
      h("li.total", h("span", "total"), h("strong", duration(last.at - first.at))),
  );
}
