/** What a run has shown so far, as TOKENS keeps it for a while; under one subject, whichever run of its id it was. */
import type { Stored } from '../bus/queue.ts';
import { streams, subjects } from '../bus/subjects.ts';
import { ifFound } from '../kernel/found.ts';
import { clocksApartMs } from '../task/record.ts';
import { readRecord } from '../task/records.ts';
import type { Core } from './core.ts';

/** A message that the run has shown. */
export type Shown = Pick<Stored, 'seq' | 'at'>;

export const nothingShown: Shown = { seq: 0, at: 0 };

/** By its time too: a stream that was made anew counts from 1 again. */
export const reached = (told: Shown, shown: Shown): boolean => told.seq >= shown.seq && told.at >= shown.at;

export const lastShown = async ({ ports: { queue } }: Core, recordKey: string): Promise<Shown> =>
  (await ifFound(queue.last(streams.tokens, subjects.tokens(recordKey)))) ?? nothingShown;

/** Epoch ms by the server's clock: what was shown before that is an earlier run's of its id. */
export const shownSince = async (core: Core, recordKey: string): Promise<number> => {
  if ((await lastShown(core, recordKey)) === nothingShown) return 0;
  const submittedAt = await submittedAtOf(core, recordKey);
  return submittedAt === undefined ? 0 : Date.parse(submittedAt) - clocksApartMs;
};

const submittedAtOf = async ({ ports, find }: Core, recordKey: string): Promise<string | undefined> =>
  (await readRecord(ports, recordKey))?.createdAt ?? (await find(recordKey))?.submittedAt;
