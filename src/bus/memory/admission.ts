/** What a stream refuses, in the server's words. */
import { ConflictError, RefusedError } from '../../kernel/errors.ts';
import type { Headers } from '../bus.ts';
import type { Stored, StreamSpec } from '../queue.ts';
import { isLiteral, matcher } from './matching.ts';
import { nextFiring, type Schedule } from './schedule.ts';
import { headerBytes, type StoredBytes } from './store.ts';

export interface Append {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers: Headers;
  readonly expectSeq?: number;
  readonly ttlMs?: number;
  readonly schedule?: Schedule;
}

export interface Standing {
  readonly spec: StreamSpec;
  /** The last message on the subject. */
  readonly last: Stored | undefined;
  /** In the stream. */
  readonly bytes: number;
  readonly messages: number;
  readonly bytesOf: StoredBytes;
  readonly now: number;
}

/** The server tells their length in 16 bits. */
const headerBytesMax = 65_535;

/** Throws `ConflictError` or `RefusedError` for what the stream does not take. */
export const admit = (append: Append, { spec, last, bytes, messages, bytesOf, now }: Standing): void => {
  const { data, headers, expectSeq, ttlMs, schedule } = append;
  const ofHeaders = headerBytes(headers);
  if (ofHeaders > headerBytesMax) throw new RefusedError('header size exceeds maximum allowed of 64k');
  const size = data.length + ofHeaders;
  if (size > (spec.maxMsgBytes ?? Infinity)) throw new RefusedError('message size exceeds maximum allowed');
  if (ttlMs !== undefined && spec.keep !== 'last') throw new RefusedError('per-message TTL is disabled');
  if (ttlMs !== undefined && !(ttlMs >= 1_000)) throw new RefusedError('invalid per-message TTL');
  if (schedule) admitSchedule(append.subject, schedule, spec, now);
  const revision = last?.seq ?? 0;
  if (expectSeq !== undefined && expectSeq !== revision) {
    throw new ConflictError(`wrong last sequence: ${revision}`, { revision });
  }
  if (spec.keep === 'work' && messages >= (spec.maxMessages ?? Infinity))
    throw new RefusedError('maximum messages exceeded');
  if (spec.keep === 'limits' || bytes + bytesOf(append) <= (spec.maxBytes ?? Infinity)) return;
  const makesRoom = spec.keep === 'last' && last && bytesOf(last) >= bytesOf(append);
  if (!makesRoom) throw new RefusedError('maximum bytes exceeded');
};

const admitSchedule = (subject: string, schedule: Schedule, spec: StreamSpec, now: number): void => {
  if (!spec.schedules) throw new RefusedError('message schedules is disabled');
  const { target } = schedule;
  const valid = isLiteral(target) && matcher(spec.subjects)(target) && target !== subject;
  if (!valid) throw new RefusedError('message schedules target is invalid');
  nextFiring(schedule, now);
};
