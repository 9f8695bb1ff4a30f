import type { IncomingMessage, OutgoingHttpHeaders } from "node:http";
import type { TLSSocket } from "node:tls";

/** The check of `ws`, with or without a callback; declared here so that users need not install the types of `ws`. */
export type VerifyClient =
  | ((info: VerifyClientInfo) => boolean)
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

/**
 * Asks as `ws` does: with a callback where the function takes one. Without a function everybody is let in. One that throws lets
 * nobody in: 500. The first answer counts.
 */
export function ask(
  verifyClient: VerifyClient | null | undefined,
  info: VerifyClientInfo,
  answer: VerifyClientAnswer,
): void {
  if (!verifyClient) return answer(true);
  let isAnswered = false;
  const answerOnce: VerifyClientAnswer = (...said) => {
    if (isAnswered) return;
    isAnswered = true;
    answer(...said);
  };
  let isVerified: boolean;
  try {
    if (verifyClient.length === 2) return void verifyClient(info, answerOnce);
    isVerified = (verifyClient as (info: VerifyClientInfo) => boolean)(info);
  } catch (error) {
    // Behind an answer: that has set off what throws.
    if (isAnswered) throw error;
    return answerOnce(false, 500);
  }
  answerOnce(isVerified);
}

/** Asks about a request that is no upgrade. Never rejects. */
export function verify(verifyClient: VerifyClient, request: IncomingMessage): Promise<Verdict> {
  return new Promise((resolve) => {
    const { authorized, encrypted } = request.socket as Partial<TLSSocket>;
    const info = { origin: request.headers.origin as string, secure: !!(authorized || encrypted), req: request };
    const answer: VerifyClientAnswer = (result, status = 401, _message, headers = {}) => {
      resolve(result ? { isVerified: true } : { isVerified: false, status, headers });
    };
    ask(verifyClient, info, answer);
  });
}
