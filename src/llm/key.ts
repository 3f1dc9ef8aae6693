/** What makes two model calls the same call. */
import { hash } from 'node:crypto';
import type { LanguageModelV4CallOptions } from '@ai-sdk/provider';
import { canonical } from '../task/json.ts';
import type { Json } from '../task/record.ts';

/** Without what varies from attempt to attempt and changes no answer. */
const settingsOf = ({
  abortSignal: _signal,
  headers: _headers,
  includeRawChunks: _raw,
  ...settings
}: LanguageModelV4CallOptions): object => settings;

/**
 * Of the app's name for the model, the settings and the prompt. A stream and an answer in one piece are the same call:
 * one may be replayed as the other.
 */
export const callHash = (model: string, call: LanguageModelV4CallOptions): string => hashOf(model, settingsOf(call));

/** Letters, digits, `_` and `-`; 43 of them. */
export const hashOf = (name: string, value: unknown): string =>
  hash('sha256', `${name}\n${canonical(plain(value))}`, 'base64url');

/** As JSON sees it; bytes count by what they are, not by how they are kept. */
const plain = (value: unknown): Json => {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (value instanceof URL) return value.href;
  if (value instanceof Date) return value.toJSON();
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64');
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object') return null;
  const members: Record<string, Json> = {};
  for (const [name, member] of Object.entries(value)) if (member !== undefined) members[name] = plain(member);
  return members;
};

/**
 * Equal calls of one task are told apart by how many came before. One that failed makes room: the next attempt, which
 * begins to count anew, must come to the same numbers.
 */
export interface Equals {
  /** The call's key in the journal, and what gives it back. */
  take(callHash: string): { readonly key: string; release(): void };
}

export const equals = (): Equals => {
  let taken: Map<string, Set<number>> | undefined; // Most tasks call no model, and make none.
  return {
    take: (of) => {
      taken ??= new Map();
      const numbers = taken.get(of) ?? new Set<number>();
      taken.set(of, numbers);
      let n = 1;
      while (numbers.has(n)) n += 1;
      numbers.add(n);
      return { key: n === 1 ? of : `${of}.${n}`, release: () => void numbers.delete(n) };
    },
  };
};
