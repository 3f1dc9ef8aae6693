/** The last firing of each schedule, by its task's record key: while that has not ended, a schedule may skip the next one. */
import { buckets } from '../bus/subjects.ts';
import { ConflictError, InvalidNameError } from '../kernel/errors.ts';
import { bucket } from '../kv/bucket.ts';
import type { Entry } from '../kv/kv.ts';
import { findQueued } from '../task/find.ts';
import type { TaskPorts } from '../task/ports.ts';
import { isTerminal } from '../task/record.ts';
import { readRecord } from '../task/records.ts';

/** Within this a firing's task is stored, or will be: longer than accepting one may take. */
const storingMs = 60_000;

export interface LastFirings {
  /** Makes this firing the schedule's last one. */
  note(schedule: string, recordKey: string): Promise<void>;
  /**
   * The same, unless the one before still runs; answers whether it did. Called before the firing's task is stored: firings
   * are handled side by side, here and on other nodes, and of those that find nothing running only one writes over what it
   * has read.
   */
  claim(schedule: string, recordKey: string): Promise<boolean>;
}

export const lastFirings = (ports: TaskPorts): LastFirings => {
  const kept = bucket(ports.queue, buckets.crons);

  /** The history need not be asked: what has not ended is in KV, or on its way there. */
  const stillRuns = async ({ value, at }: Entry, own: string): Promise<boolean> => {
    const key = new TextDecoder().decode(value);
    if (key === own) return false; // This firing, handed out again.
    try {
      const record = await readRecord(ports, key);
      if (record) return !isTerminal(record);
      // Nothing of it: not stored yet, unless it has had the time to end and be forgotten.
      const onItsWay = ports.queue.now() - at < Math.min(storingMs, ports.recordLifeMs());
      return onItsWay || (await findQueued(ports, key)) !== undefined;
    } catch (error) {
      if (error instanceof InvalidNameError) return false; // Somebody else's writing.
      throw error;
    }
  };

  return {
    note: async (schedule, recordKey) => void (await kept.put(schedule, encoded(recordKey))),
    claim: async (schedule, recordKey) => {
      for (;;) {
        const last = await kept.get(schedule);
        if (last && (await stillRuns(last, recordKey))) return false;
        try {
          await kept.update(schedule, encoded(recordKey), last?.revision ?? 0);
          return true;
        } catch (error) {
          if (!(error instanceof ConflictError)) throw error; // Another was first, and may run now.
        }
      }
    },
  };
};

const encoded = (text: string): Uint8Array => new TextEncoder().encode(text);
