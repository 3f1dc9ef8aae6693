/** JetStream's API: a JSON request on a subject, a JSON answer, or its error in the port's words. */
import { type ApiError, apiFailure } from './errors.ts';
import { textOf } from './headers.ts';
import { ask, type Mux } from './mux.ts';
import type { ServerTime } from './server-time.ts';

const prefix = '$JS.API.';
const nothing = new Uint8Array(0);
const nobody =
  'no JetStream answers: it is not enabled on this nats-server (`jetstream {}` in its configuration), or not up';
/** Where a cluster has no leader it says nothing: it is asked again rather than waited for. */
const timeoutMs = 3_000;

export const apiSubject = (operation: string): string => prefix + operation;

/** Sends `body` to `$JS.API.<operation>`. `Answer` is what the server documents for it; it is not checked. */
export type Api = <Answer>(operation: string, body?: unknown) => Promise<Answer>;

interface AnyAnswer {
  readonly error?: ApiError;
  /** The server's time. */
  readonly ts?: string;
}

export const api =
  (requests: Mux, time: ServerTime): Api =>
  async <Answer>(operation: string, body?: unknown): Promise<Answer> => {
    const data = body === undefined ? nothing : Buffer.from(JSON.stringify(body));
    const message = await ask(requests, { subject: prefix + operation, data, timeoutMs, prompt: true, nobody });
    const answer: Answer & AnyAnswer = JSON.parse(textOf(message.data));
    if (answer.error) throw apiFailure(operation, answer.error);
    if (answer.ts !== undefined) time.observe(Date.parse(answer.ts));
    return answer;
  };
