/**
 * What a status means for a line, from whomever it comes (HTTP-22): the body was too large for something on the way; the line
 * does not exist, or is not for us, and asking again is of no use; or it may be better next time.
 */
export function fateOf(status: number): "too-large" | "refused" | "failed" {
  if (status === 413) return "too-large";
  const mayPass = status < 400 || status >= 500 || [408, 409, 425, 429].includes(status);
  return mayPass ? "failed" : "refused";
}
