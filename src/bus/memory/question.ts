/**
 * What a client has asked and waits to hear about. What is asked while the link is cut waits for the next one; what
 * had been asked before the cut will get no answer any more, so whether it was done is unknown.
 */
import type { Clock } from '../../kernel/clock.ts';
import { TimeoutError, UnavailableError } from '../../kernel/errors.ts';
import type { Connection } from '../bus.ts';
import type { Attached } from './client.ts';

export interface Question<T> {
  /** For the errors, such as `publish to "tasks.a"`. */
  readonly what: string;
  /** 5,000 */
  readonly timeoutMs?: number | undefined;
  /** The answer comes from the broker itself: with the link its chance is gone. */
  readonly prompt: boolean;
  send(answer: { resolve(value: T): void; reject(error: unknown): void }): void;
}

interface Asking {
  readonly clock: Clock;
  readonly attached: Set<Attached>;
  readonly state: Connection;
}

export const ask = <T>(client: Asking, { what, timeoutMs = 5_000, prompt, send }: Question<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    if (client.state === 'closed') return reject(new UnavailableError(`${what}: the connection is closed`));
    let sent = false;

    const over = (settle: () => void): void => {
      client.attached.delete(attach);
      timeout.cancel();
      settle();
    };
    const fail = (why: string): void => {
      const text = `${what}: ${why}`;
      const error = sent ? new TimeoutError(`${text}; whether it was done is unknown`) : new UnavailableError(text);
      over(() => reject(error));
    };
    const transmit = (): void => {
      if (sent) return;
      sent = true;
      send({ resolve: (value) => over(() => resolve(value)), reject: (error) => over(() => reject(error)) });
    };
    const attach: Attached = {
      lost: () => {
        if (client.state === 'closed' || (sent && prompt)) fail('the connection was lost before the answer');
      },
      back: transmit,
    };
    const timeout = client.clock.timer(timeoutMs, () => fail(`no answer in ${timeoutMs} ms`));
    client.attached.add(attach);
    if (client.state === 'connected') transmit();
  });
