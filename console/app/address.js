// The addresses of the gateway's pages and APIs. A proxy may serve the gateway under a prefix. The page finds
// the prefix in the address from which this script was loaded: PREFIX/-/HASH/app/address.js.

const root = new URL("../../../", import.meta.url);
// A request to an address with a user name fails.
root.username = root.password = "";

/** The address of the gateway, without a slash at the end. */
export const GATEWAY = root.href.replace(/\/$/, "");

/** Turns a path of the gateway into an address on the page's origin. @param {string} path */
export const addressOf = (path) => root.pathname + path.slice(1);

/** Turns the path of an address into a path of the gateway. @param {string} pathname */
export const pathOf = (pathname) =>
  pathname.startsWith(root.pathname) ? pathname.slice(root.pathname.length - 1) : "/";
