/**
 * Keeps records small. A record is rewritten whole with every step, so what is large goes to blobs, once, and the
 * record says where. A blob's name holds the nonce of its writer: an attempt that was fenced cannot replace what
 * another's record refers to, and to write it again does no harm: like the record it waits for NATS.
 */
import { encodeJson } from '../bus/json.ts';
import { PayloadTooLargeError } from '../kernel/errors.ts';
import { untilAnswered } from '../kernel/unanswered.ts';
import type { TaskPorts } from './ports.ts';
import { encodeRecord, type Json, recordBytesMax, type Step, type TaskRecord } from './record.ts';

/** Past this, results leave the record, the largest first. */
const inlineBytesMax = 64 * 1024;
/** Smaller ones are not worth a blob of their own. */
const offloadBytesMin = 512;

/** The bytes to write for `record`: `value`, its encoding, if that is small enough. */
export const fitted = (
  ports: TaskPorts,
  recordKey: string,
  record: TaskRecord,
  value: Uint8Array,
): Uint8Array | Promise<Uint8Array> =>
  value.length <= inlineBytesMax ? value : offload(ports, recordKey, record, value.length);

const offload = async (ports: TaskPorts, recordKey: string, record: TaskRecord, size: number): Promise<Uint8Array> => {
  const parts = [
    ...record.steps.map((step, index) => ({ index, bytes: encodeJson(step.result ?? null) })),
    ...(record.result === undefined ? [] : [{ index: -1, bytes: encodeJson(record.result) }]),
  ]
    .filter(({ bytes }) => bytes.length >= offloadBytesMin)
    .toSorted((a, b) => b.bytes.length - a.bytes.length);

  let left = size;
  let { steps, result, resultRef } = record;
  for (const { index, bytes } of parts) {
    if (left <= inlineBytesMax) break;
    const ref = await blobFor(ports, recordKey, record, index, bytes);
    if (index === -1) [result, resultRef] = [undefined, ref];
    else steps = steps.with(index, withRef(steps[index], ref));
    left -= bytes.length;
  }
  const value = encodeRecord({ ...record, steps, result, resultRef });
  if (value.length > recordBytesMax)
    throw new PayloadTooLargeError(
      `the record of task ${recordKey} has ${value.length} bytes with all large values elsewhere; at most ${recordBytesMax}: make fewer steps`,
    );
  return value;
};

const withRef = (step: Step | undefined, ref: string): Step => {
  if (!step) throw new RangeError('no such step');
  const { result: _elsewhere, ...rest } = step;
  return { ...rest, ref };
};

/** Where the results of a task's own steps were written: each is written once, however often its record is. */
const written = new WeakMap<object, string>();

const blobFor = async (
  ports: TaskPorts,
  recordKey: string,
  record: TaskRecord,
  index: number,
  bytes: Uint8Array,
): Promise<string> => {
  const holder = index === -1 ? undefined : record.steps[index];
  const known = holder && written.get(holder);
  if (known) return known;
  const name = `${recordKey}.${index === -1 ? 'result' : index}.${record.w}`;
  await untilAnswered(ports, () => ports.blobs.put(name, bytes));
  if (holder) written.set(holder, name);
  return name;
};

/** A value that may stand elsewhere. Throws as `Blobs.get` does, and `RangeError` where the blob is gone or damaged. */
export const valueOf = async (
  ports: Pick<TaskPorts, 'blobs'>,
  inline: Json | undefined,
  ref: string | undefined,
): Promise<Json | undefined> => {
  if (ref === undefined) return inline;
  const bytes = await ports.blobs.get(ref);
  if (!bytes) throw new RangeError(`blob ${ref} is gone, or is not what was written`);
  return JSON.parse(new TextDecoder().decode(bytes));
};
