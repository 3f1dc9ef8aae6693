/**
 * Where embedding requests of one moment meet: what comes in one turn of the event loop, for one provider, with the same
 * settings and on behalf of the same tenant, goes out in as few calls as it fits into, each under one permit.
 */
import { unlessAborted } from '../kernel/signal.ts';
import { asked, type Embedded, type EmbeddingRequest } from './embedding-call.ts';
import type { Embedder } from './embedding-entry.ts';
import { failureOf } from './failure.ts';
import type { CallPorts } from './scope.ts';
import { blame } from './unanswered.ts';

/** A request, and who waits for it. */
interface Waiting {
  readonly request: EmbeddingRequest;
  /** Its number at the breaker. */
  readonly entered: number;
  readonly resolve: (embedded: Embedded) => void;
  readonly reject: (error: unknown) => void;
}

export type Embed = (embedder: Embedder, request: EmbeddingRequest, entered: number) => Promise<Embedded>;

export const embeddingPool = (all: CallPorts): Embed => {
  const gathering = new Map<Embedder, Waiting[]>();

  const go = (embedder: Embedder): void => {
    const waiting = gathering.get(embedder) ?? [];
    gathering.delete(embedder);
    for (const call of packed(waiting, embedder.most)) void together(all, embedder, call); // Never rejects.
  };

  return (embedder, request, entered) =>
    unlessAborted(
      request.signal,
      new Promise((resolve, reject) => {
        const waiting = gathering.get(embedder);
        if (waiting) waiting.push({ request, entered, resolve, reject });
        else {
          gathering.set(embedder, [{ request, entered, resolve, reject }]);
          all.ports.clock.immediate(() => go(embedder));
        }
      }),
    );
};

/** In calls of at most so many values; a request stays whole. */
const packed = (waiting: readonly Waiting[], most: number): readonly (readonly Waiting[])[] => {
  const calls: Waiting[][] = [];
  const open = new Map<string, { readonly call: Waiting[]; values: number }>();
  for (const one of waiting) {
    const { kind, values } = one.request;
    const into = open.get(kind);
    if (into && into.values + values.length <= most) {
      into.call.push(one);
      into.values += values.length;
    } else {
      const call = [one];
      calls.push(call);
      open.set(kind, { call, values: values.length });
    }
  }
  return calls;
};

const together = async (all: CallPorts, embedder: Embedder, waiting: readonly Waiting[]): Promise<void> => {
  const call = waiting.filter(({ request }) => !request.signal.aborted);
  if (call.length === 0) return;
  try {
    const embedded = await asked(
      all,
      embedder,
      call.map(({ request }) => request),
    );
    embedder.breaker.succeeded();
    for (const [index, { resolve }] of call.entries()) {
      const own = embedded[index];
      if (own) resolve(own);
    }
  } catch (error) {
    const failure = failureOf(error, all.ports.queue.now());
    const entered = call.map((each) => each.entered);
    if (call.some(({ request }) => !request.signal.aborted)) blame(all.permits, embedder, entered, failure);
    // Refused together: nobody knows for whose sake, so each asks for itself.
    if (call.length > 1 && !failure.elsewhere) for (const one of call) void together(all, embedder, [one]);
    else for (const { reject } of call) reject(error);
  }
};
