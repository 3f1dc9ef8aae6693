/** The broker's own state, as its clients' operations find it when they arrive. All of it answers at once. */
import type { Clock } from '../../kernel/clock.ts';
import { UnavailableError } from '../../kernel/errors.ts';
import type { Random } from '../../kernel/random.ts';
import type { Message } from '../bus.ts';
import type { PubAck } from '../queue.ts';
import type { Append } from './admission.ts';
import { type Core, core } from './core.ts';
import { memoryStreams, type Streams } from './streams.ts';

export interface Server extends Omit<Streams, 'taking'> {
  readonly core: Core;
  readonly blobs: Map<string, { readonly value: Uint8Array; readonly at: number }>;
  /** To the stream that has the subject, and to who listens. */
  publish(message: Append): PubAck;
  /** A core message; a stream that has its subject stores it too. Answers how many took it. */
  route(message: Message): number;
}

export const server = (clock: Clock, random: Random): Server => {
  const listeners = core(random);
  const streams = memoryStreams(clock, random);

  const answer = (reply: string | undefined, body: object): void => {
    if (reply === undefined) return;
    listeners.route({ subject: reply, data: new TextEncoder().encode(JSON.stringify(body)), headers: {} });
  };

  const route = (message: Message): number => {
    const reached = listeners.route(message);
    const into = streams.taking(message.subject);
    if (!into) return reached;
    try {
      answer(message.reply, { stream: into.name, seq: into.append(message) });
    } catch (error) {
      answer(message.reply, {
        error: { code: 503, description: error instanceof Error ? error.message : String(error) },
      });
    }
    return reached + 1;
  };

  return {
    ...streams,
    core: listeners,
    blobs: new Map(),
    publish: (message) => {
      const { subject, data, headers } = message;
      const into = streams.taking(subject);
      listeners.route({ subject, data, headers });
      if (!into) throw new UnavailableError(`nobody answers on ${subject}`);
      return { stream: into.name, seq: into.append(message) };
    },
    route,
    stop: (crash) => {
      listeners.clear();
      streams.stop(crash);
    },
  };
};
