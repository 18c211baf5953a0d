// The prefix of the service's HTTP routes (`server.base_path`), which the service writes into the page.

/** The prefix, such as `/v1`; empty without one. Socket.IO has none. */
export const basePath = globalThis.document?.querySelector<HTMLMetaElement>('meta[name="base-path"]')?.content ?? '';
