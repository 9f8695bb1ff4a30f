/**
 * What the two ends of an HTTP line say outside of bodies (PROTOCOL.md, HTTP). In lower case, as Node hands them out.
 */
export const Header = {
  /** The key of the line, 32 lower-case hex digits. Never in a URL: whoever knows it has the line. */
  LINE: "sluice-line",
  /** The position of the first batch in the body that follows. */
  POSITION: "sluice-position",
  /** The position of the last batch accepted from the other end; 0 for none. */
  RECEIVED: "sluice-received",
  /** In an answer: the position of the last batch that the server has handed to any answer. */
  SENT: "sluice-sent",
  /** In a poll: how long it is held at most, ms, if there is nothing to bring. */
  HOLD: "sluice-hold",
  /** Nothing follows on this line: a close code. */
  CLOSE: "sluice-close",
} as const;

export const BATCHES_TYPE = "application/octet-stream";
export const EVENTS_TYPE = "text/event-stream";

/** Largest batch that is made for an HTTP line, bytes: passes the small body limits of proxies. */
export const HTTP_BATCH_BYTES_MAX: number = 16 * 1024;

/**
 * Largest batch that is taken by default, bytes: those that were first sent on a WebSocket are sent again as they were
 * (BAT-05).
 */
export const TAKEN_BATCH_BYTES_MAX: number = 65 * 1024;

/** Largest body of an answer, bytes. A server stops adding batches above it. */
export const ANSWER_BYTES_MAX: number = 256 * 1024;

const KEY = /^[0-9a-f]{32}$/;
const COUNT = /^(?:0|[1-9][0-9]{0,14})$/;

/** `value` if it is the key of a line. */
export function parseKey(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === "string" && KEY.test(value) ? value : undefined;
}

/** The integer in a header; `undefined` for anything else. */
export function parseCount(value: string | readonly string[] | null | undefined): number | undefined {
  return typeof value === "string" && COUNT.test(value) ? Number(value) : undefined;
}

/** Whether a media type with or without parameters is `type`. */
export function isMediaType(value: string | null | undefined, type: string): boolean {
  return value?.split(";", 1)[0]?.trim().toLowerCase() === type;
}
