import { randomFillSync } from 'node:crypto';

export interface Random {
  /** At least 0, less than 1. */
  readonly next: () => number;
  /** 22 characters of `A-Za-z0-9_-`: unique, and not to be guessed. */
  readonly id: () => string;
  /** Unique among all runs of all processes, short, of the same characters, and cheap. Not a secret. */
  readonly nonce: () => string;
}

const counted = (prefix: string): (() => string) => {
  let count = 0;
  return () => `${prefix}${(count++).toString(36)}`;
};

const idBytes = 16;

/** Asking the system for many ids' bytes at once costs little more than for one's. */
const ids = (): (() => string) => {
  const pool = Buffer.alloc(idBytes * 256);
  let used = pool.length;
  return () => {
    if (used === pool.length) {
      randomFillSync(pool);
      used = 0;
    }
    used += idBytes;
    return pool.toString('base64url', used - idBytes, used);
  };
};

const id = ids();

export const systemRandom: Random = { next: Math.random, id, nonce: counted(id().slice(0, 10)) };

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-';

/** The same seed, the same sequence (mulberry32). For tests and simulations: its ids can be guessed. */
export const seededRandom = (seed: number): Random => {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
  const text = (length: number): string =>
    Array.from({ length }, () => alphabet.charAt(Math.floor(next() * alphabet.length))).join('');
  return { next, id: () => text(22), nonce: counted(text(10)) };
};
