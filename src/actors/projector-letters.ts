/** Dead letters: those that the projector writes, and all of them as the rows that history keeps. */
import type { Queue, Stored } from '../bus/queue.ts';
import { decodeId, streams, subjects } from '../bus/subjects.ts';
import { ConflictError } from '../kernel/errors.ts';
import type { DeadLetterRow } from '../store/store.ts';
import { storableText } from '../task/json.ts';
import { digestOf } from './projector-incarnation.ts';

/** A record that will never be a row. */
export interface Refused {
  readonly key: string;
  readonly incarnation: string;
  readonly revision: number;
  readonly message: string;
  readonly data: Uint8Array;
}

/** The body of the dead letter: JSON. `record` is what stands under the key, as text. */
interface Body {
  readonly reason: 'refused';
  readonly key: string;
  readonly incarnation: string;
  readonly revision: number;
  readonly error: { readonly code: 'refused'; readonly message: string };
  readonly record: string;
  /** Of `record`, if not all of it is there. */
  readonly recordBytes?: number;
}

/** Well below the smallest message that a server is set to take. */
const bodyBytesMax = 512 * 1024;
/** Escaped, each may be six times as long. */
const cutChars = 80_000;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const encode = ({ key, incarnation, revision, message, data }: Refused): Uint8Array => {
  const head = { reason: 'refused', key, incarnation, revision, error: { code: 'refused', message } } as const;
  const record = decoder.decode(data);
  const bytes = encoder.encode(JSON.stringify({ ...head, record } satisfies Body));
  if (bytes.length <= bodyBytesMax) return bytes;
  const cut: Body = { ...head, record: record.slice(0, cutChars), recordBytes: data.length };
  return encoder.encode(JSON.stringify(cut));
};

const keyBytesMax = 1_024;

/** A server hangs up on who publishes to a subject of some 4 KB, which a key may have: its letter tells it in full. */
const subjectOf = (key: string): string =>
  subjects.dlq(
    'projector',
    'refused',
    Buffer.byteLength(key) <= keyBytesMax ? key : `unknown.${digestOf(encoder.encode(key))}`,
  );

/**
 * Publishes the dead letter of this very revision, unless it is there: asked again after an answer that was lost, or by
 * another node, it publishes nothing. Throws `RefusedError`, `UnavailableError` and `TimeoutError`.
 */
export const publishRefused = async (queue: Queue, refused: Refused): Promise<'stored' | 'there'> => {
  const subject = subjectOf(refused.key);
  const last = await queue.last(streams.dlq, subject);
  const body = last && parsed(decoder.decode(last.data));
  if (body?.['revision'] === refused.revision && body['incarnation'] === refused.incarnation) return 'there';
  try {
    await queue.publish(subject, encode(refused), { expectSeq: last?.seq ?? 0 });
    return 'stored';
  } catch (error) {
    if (error instanceof ConflictError) return publishRefused(queue, refused); // Somebody else's came between.
    throw error;
  }
};

/** `incarnation` is the DLQ stream's. Text that no database keeps is replaced: the stream has the original. */
export const deadLetterRow = ({ subject, data, seq, at }: Stored, incarnation: string): DeadLetterRow => {
  const [, pool = '', reason = '', type = '', ...id] = subject.split('.');
  const body = decoder.decode(data);
  const error = parsed(body)?.['error'];
  return {
    type: storableText(type),
    id: storableText(decodeId(id.join('.'))),
    reason: storableText(reason),
    pool: storableText(pool),
    error: errorText(error),
    body: storableText(body),
    at: new Date(at).toISOString(),
    incarnation,
    revision: seq,
  };
};

/** Anybody may have published it: what is nested too deep to be written again stays in the body. */
const errorText = (error: unknown): string | undefined => {
  try {
    return JSON.stringify(error, (_key, value: unknown) => storableValue(value));
  } catch {
    return undefined;
  }
};

const storableValue = (value: unknown): unknown => {
  if (typeof value === 'string') return storableText(value);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [storableText(key), inner]));
};

const parsed = (text: string): Readonly<Record<string, unknown>> | undefined => {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
};
