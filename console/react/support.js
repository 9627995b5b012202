/** Whether the browser can read streams. Every browser released since 2023 can, and Node.js 18, too. */
export const isSSESupported = () => "fetch" in globalThis && "ReadableStream" in globalThis;
