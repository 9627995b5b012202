// The page of work without a task. The other pages load this script, and all that it imports, only when it is
// needed.

import { CanonPage } from "./canon-page.js";

/** @param {import("../router.js").Context} context */
export const pagesOf = (context) => ({ canon: new CanonPage(context) });
