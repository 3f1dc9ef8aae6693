/** Records in KV: read, and written over one revision of them. */
import type { Entry } from '../kv/kv.ts';
import { type Write, type Written, writeUntilKnown } from '../kv/write.ts';
import type { TaskPorts } from './ports.ts';
import { decodeRecord, encodeRecord, type TaskRecord } from './record.ts';

/** `undefined` where there is none, or what is there is no record. */
export const recordOf = (entry: Entry | undefined): TaskRecord | undefined => entry && decodeRecord(entry.value);

/** From the leader; likewise. */
export const readRecord = async (
  { records }: Pick<TaskPorts, 'records'>,
  recordKey: string,
): Promise<TaskRecord | undefined> => recordOf(await records.get(recordKey));

type WritePorts = Pick<TaskPorts, 'records' | 'clock' | 'random'>;
/** `expected`: the revision to replace, 0 to create it. `ttlMs`: how long it lives; without that, for ever. */
type Over = Pick<Write, 'expected' | 'ttlMs'>;

/** Writes the record under a nonce of its own. Throws as `writeUntilKnown`. */
export const writeRecord = (ports: WritePorts, recordKey: string, record: TaskRecord, over: Over): Promise<Written> => {
  const w = ports.random.nonce();
  return writeEncoded(ports, recordKey, { w, value: encodeRecord({ ...record, w }) }, over);
};

/** The same for a record that is encoded already, with the nonce `w`. */
export const writeEncoded = (
  { records, clock, random }: WritePorts,
  recordKey: string,
  { w, value }: { readonly w: string; readonly value: Uint8Array },
  { expected, ttlMs }: Over,
): Promise<Written> =>
  writeUntilKnown(records, {
    key: recordKey,
    value,
    expected,
    ttlMs,
    isMine: (entry) => recordOf(entry)?.w === w,
    clock,
    random,
  });
