// The pages of casts, and the page of the audit log. The other pages load this script, and all that it
// imports, only when it is needed.

import { AuditPage } from "./audit-page.js";
import { CastPage } from "./cast-page.js";
import { CastsPage } from "./casts-page.js";

/** @param {import("../router.js").Context} context */
export const pagesOf = (context) => ({
  casts: new CastsPage(context),
  cast: new CastPage(context),
  audit: new AuditPage(context),
});
