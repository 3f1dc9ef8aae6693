/** The log that a provider keeps of what has reached it: the last of it in memory, all of it in a file. */
import { closeSync, openSync, writeSync } from 'node:fs';

/** One request, as a provider's own log would have it. */
export interface Arrival {
  /**
   * Monotonic, when the last byte of its body had been read: only then can a provider tell what to count, so this is
   * when the window counts it.
   */
  readonly atMs: number;
  /** When its headers had been read: the first that the provider knows of it. A provider that counts here counts earlier. */
  readonly headMs: number;
  readonly model: string;
  /** Input and output, as the window counted them; 0 for what was not admitted. */
  readonly tokens: number;
  /** What its admission would have counted: as `tokens`, but for what was refused, too. */
  readonly asked: number;
  /** What the answer used in the end, which the window counts from then on; in memory only. */
  readonly used?: number;
  readonly outcome: 'answered' | 'refused' | 'failed';
  /** Its `x-request-id`. */
  readonly request?: string;
  /** Its `idempotency-key`: noted, but no request is kept from being answered twice. */
  readonly key?: string;
}

export interface Arrivals {
  /** What it answers tells what was used. */
  add(arrival: Arrival): (used: number) => void;
  /** Oldest first; the last 100,000 of them. */
  readonly all: readonly Arrival[];
  close(): void;
}

const keptMax = 100_000;

/** Each arrival is a line of JSON at the end of `file`, written before it is answered: not even kill -9 loses one. */
export const arrivalLog = (file?: string): Arrivals => {
  const all: Arrival[] = [];
  let fd = file === undefined ? undefined : openSync(file, 'a');
  return {
    add: (arrival) => {
      if (fd !== undefined) writeSync(fd, `${JSON.stringify(arrival)}\n`);
      if (all.length >= keptMax) all.splice(0, keptMax / 10);
      const kept: { -readonly [K in keyof Arrival]: Arrival[K] } = { ...arrival };
      all.push(kept);
      return (used) => {
        kept.used = used;
      };
    },
    all,
    close: () => {
      if (fd !== undefined) closeSync(fd);
      fd = undefined;
    },
  };
};
