import type { IncomingMessage, OutgoingHttpHeaders } from "node:http";
import type { TLSSocket } from "node:tls";

/**
 * The check of `ws`, with or without a callback; declared here so that users need not install the types of `ws`. May be async,
 * which `ws` takes for a yes.
 */
export type VerifyClient =
  | ((info: VerifyClientInfo) => boolean | Promise<boolean>)
  | ((info: VerifyClientInfo, callback: VerifyClientAnswer) => void);

export type VerifyClientAnswer = (
  result: boolean,
  code?: number,
  message?: string,
  headers?: OutgoingHttpHeaders,
) => void;

export interface VerifyClientInfo {
  readonly origin: string;
  readonly secure: boolean;
  readonly req: IncomingMessage;
}

export type Verdict =
  | { readonly isVerified: true }
  | { readonly isVerified: false; readonly status: number; readonly headers: OutgoingHttpHeaders };

/** Is told that a client is not let in, and why: `cause` is what the application's function has thrown. */
export type RefusalListener = (message: string, cause?: unknown) => void;

/**
 * Asks as `ws` does: with a callback where the function takes one. Without a function everybody is let in. One that fails lets
 * nobody in: 500. The first answer counts.
 */
export function ask(
  verifyClient: VerifyClient | null | undefined,
  info: VerifyClientInfo,
  answer: VerifyClientAnswer,
  onRefused: RefusalListener = () => {},
): void {
  if (!verifyClient) return answer(true);
  let isAnswered = false;
  const answerOnce: VerifyClientAnswer = (isVerified, ...rest) => {
    if (isAnswered) return;
    isAnswered = true;
    if (!isVerified) onRefused("`verifyClient` has refused the client");
    answer(isVerified, ...rest);
  };
  const fail = (cause: unknown): void => {
    // Behind an answer: that has set off what throws.
    if (isAnswered) throw cause;
    isAnswered = true;
    onRefused("`verifyClient` has failed", cause);
    answer(false, 500);
  };
  const takesCallback = verifyClient.length === 2;
  const check = verifyClient as (info: VerifyClientInfo, callback?: VerifyClientAnswer) => unknown;
  let verdict: unknown;
  try {
    verdict = takesCallback ? check(info, answerOnce) : check(info);
  } catch (cause) {
    return fail(cause);
  }
  if (verdict instanceof Promise) {
    verdict.then((late: unknown) => takesCallback || answerOnce(late === true), fail);
  } else if (!takesCallback) {
    answerOnce(verdict as boolean);
  }
}

/** Asks about a request that is no upgrade. Never rejects. */
export function verify(
  verifyClient: VerifyClient,
  request: IncomingMessage,
  onRefused?: RefusalListener,
): Promise<Verdict> {
  return new Promise((resolve) => {
    const { authorized, encrypted } = request.socket as Partial<TLSSocket>;
    const info = { origin: request.headers.origin as string, secure: !!(authorized || encrypted), req: request };
    const answer: VerifyClientAnswer = (result, status = 401, _message, headers = {}) => {
      resolve(result ? { isVerified: true } : { isVerified: false, status, headers });
    };
    ask(verifyClient, info, answer, onRefused);
  });
}
