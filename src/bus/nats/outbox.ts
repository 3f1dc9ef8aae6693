/**
 * What is published in one turn of the event loop leaves in few writes, encoded straight into the bytes that the socket
 * gets. The library encodes each part by itself, gathers them once more, and flushes at the next microtask: between
 * promises that is a system call for nearly every message, a fifth of a worker's time. To hold it all back to the end of
 * a long turn is no better: the server would wait for us, then we for it.
 */
import type { NatsConnection } from '@nats-io/nats-core';

/** Worth a write of its own: some twenty tasks' results. Measured: at 2 KB the writes cost more, from 32 KB on the waits do. */
const flushBytes = 16 * 1024;
/** Cut from one piece, one write's bytes after another's: memory of its own for each would be paid for with collections. */
const slabBytes = 16 * flushBytes;
/** Of UTF-8, for each unit of a string. */
const bytesMost = 3;

type Part = string | Uint8Array;

/** What has yet to leave, by the names that the library has for it. */
interface Outbox {
  fill(...parts: readonly Part[]): void;
  drain(): Uint8Array;
  reset(): void;
  /** In bytes. */
  size(): number;
}

/** The library's own, which it does not show. */
interface Sending {
  readonly protocol?: {
    outbound?: Partial<Outbox>;
    sendCommand?: (...parts: readonly Part[]) => void;
    flushPending?: () => void;
  };
}

/** Leaves a library whose insides are other than these as it is. */
export const sendByTurns = (connection: NatsConnection): void => {
  const { protocol } = connection as unknown as Sending;
  const flushNow = protocol?.flushPending?.bind(protocol);
  const { fill, drain, reset, size } = protocol?.outbound ?? {};
  if (!protocol?.sendCommand || !flushNow || !fill || !drain || !reset || size?.call(protocol.outbound) !== 0) return;

  const outbound = outbox();
  let due = false;
  const flush = (): void => {
    if (outbound.size() >= flushBytes) return flushNow();
    if (due) return;
    due = true;
    setImmediate(() => {
      due = false;
      flushNow();
    });
  };
  protocol.outbound = outbound;
  protocol.flushPending = flush;
  protocol.sendCommand = (...parts) => {
    outbound.fill(...parts);
    flush();
  };
};

const outbox = (): Outbox => {
  let slab = Buffer.allocUnsafeSlow(slabBytes);
  let start = 0;
  let end = 0;

  const makeRoom = (bytes: number): void => {
    if (end + bytes <= slab.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(slabBytes, 2 * (end - start + bytes)));
    slab.copy(larger, 0, start, end);
    slab = larger;
    end -= start;
    start = 0;
  };

  return {
    fill: (...parts) => {
      for (const part of parts) {
        makeRoom(typeof part === 'string' ? part.length * bytesMost : part.length);
        if (typeof part === 'string') end += slab.write(part, end);
        else {
          slab.set(part, end);
          end += part.length;
        }
      }
    },
    drain: () => {
      const leaving = slab.subarray(start, end);
      start = end;
      return leaving;
    },
    reset: () => {
      start = end;
    },
    size: () => end - start,
  };
};
