/** What waits for tasks' ends ask of others: records, many in one read, and where tasks are that have none. */
import { slots } from '../kernel/slots.ts';
import type { TaskPorts } from './ports.ts';
import { isTerminal } from './record.ts';
import type { TaskStatus } from './status.ts';

export interface Asked {
  readonly recordKey: string;
  /** When to ask where the task is, if it has no record; monotonic ms. */
  findAtMs: number;
}

export type Find = (recordKey: string) => Promise<TaskStatus | undefined>;

export const readAgainMs = 5_000;
/** A record outlives its task by an hour or more: nobody needs to be asked for the history before that. */
export const findAgainMs = 300_000;
/** So few are read from the leader, one by one. */
const fewReads = 4;
/** Of more, so many in one read: as much as is in memory at once. */
const recordsAtOnce = 256;
const findsAtOnce = 32;

/** Reads records, those of one turn together; many in one read after the other, however often they are asked for. */
export const reader = <Watch extends Asked>(
  { records, clock, log }: Pick<TaskPorts, 'records' | 'clock' | 'log'>,
  look: (watch: Watch, value: Uint8Array | undefined) => void,
) => {
  let waiting: Watch[] = [];
  const many = new Set<Watch>();
  let reading = false;

  const readFew = (batch: readonly Watch[]): Promise<unknown> =>
    Promise.all(batch.map(async (watch) => look(watch, (await records.get(watch.recordKey))?.value)));

  const readMany = async (): Promise<void> => {
    reading = true;
    try {
      while (many.size > 0) {
        const batch = [...many].slice(0, recordsAtOnce);
        const found = await records.getMany(batch.map(({ recordKey }) => recordKey));
        for (const watch of batch) {
          many.delete(watch);
          look(watch, found.get(watch.recordKey)?.value);
        }
      }
    } finally {
      many.clear();
      reading = false;
    }
  };

  const failed = (error: unknown): void => log.debug({ err: error }, 'ends of tasks were not read: read again later');

  const now = (batch: readonly Watch[]): void => {
    if (batch.length <= fewReads) return void readFew(batch).catch(failed);
    for (const watch of batch) many.add(watch);
    if (!reading) void readMany().catch(failed);
  };

  return {
    now,
    soon: (watch: Watch): void => {
      if (waiting.push(watch) > 1) return;
      clock.immediate(() => {
        const batch = waiting;
        waiting = [];
        now(batch);
      });
    },
  };
};

interface FinderOptions<Watch> {
  readonly ports: Pick<TaskPorts, 'clock' | 'log'>;
  readonly find: Find;
  readonly found: (watch: Watch, status: TaskStatus | undefined) => void;
  /** Whether anybody still waits. */
  readonly wanted: (watch: Watch) => boolean;
}

export const finder = <Watch extends Asked>({ ports: { clock, log }, find, found, wanted }: FinderOptions<Watch>) => {
  const places = slots(findsAtOnce);

  const findOne = async (watch: Watch): Promise<void> => {
    try {
      const status = wanted(watch) ? await find(watch.recordKey) : undefined;
      if (!status || isTerminal(status)) found(watch, status);
    } catch (error) {
      log.debug({ err: error, task: watch.recordKey }, 'nobody says where a task is: asked again later');
      watch.findAtMs = clock.monotonic() + readAgainMs;
    }
  };

  return (watch: Watch): void => {
    watch.findAtMs = clock.monotonic() + findAgainMs;
    void places.hold(() => findOne(watch)); // It handles its own failure.
  };
};
