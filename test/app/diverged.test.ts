import { expect, test } from 'vitest';
import { z } from 'zod';
import { tellDiverged } from '../../src/app/diverged.ts';
import { silentLog } from '../../src/kernel/log.ts';
import { journal } from '../../src/task/journal.ts';
import { lives } from '../../src/task/lives.ts';
import { decodeTask } from '../../src/task/message.ts';
import { decodeRecord } from '../../src/task/record.ts';
import { begun, firstRecord } from '../../src/task/transitions.ts';
import { recordWriter } from '../../src/task/writer.ts';
import { open } from '../task/world.ts';

const setup = async () => {
  const world = await open();
  const { ports } = world;
  await world.submit({ id: 'a' });
  const delivery = await world.take();
  const task = decodeTask(delivery);
  if (!task) throw new Error('no task');
  const lines: unknown[] = [];
  const log = { ...silentLog, warn: (fields: unknown) => void lines.push(fields) };
  /** An attempt that takes these steps; answers what is told of it. */
  const attempt = async (number: number, ...steps: readonly string[]) => {
    const entry = await ports.records.get('t.a');
    const record = (entry && decodeRecord(entry.value)) ?? begun(firstRecord(task), delivery, 'w', 0);
    const writer = recordWriter({ ports, recordKey: 't.a', record, revision: entry?.revision ?? 0, fenced: () => {} });
    const made = journal(ports, Promise.resolve(writer), lives().begin('t.a'));
    for (const step of steps) await made.step(step, 'k', () => 1);
    const signal = new AbortController().signal;
    tellDiverged(
      { log },
      { task, input: null, number, startedAt: 0, alone: false, journal: made, signal, emit: () => true },
    );
    return lines.splice(0);
  };
  return attempt;
};

test('an attempt that takes other steps than the one before is told of, with the first that it left', async () => {
  const attempt = await setup();
  expect(await attempt(1, 'a', 'b', 'c')).toEqual([]);
  expect(await attempt(2, 'c', 'b', 'a')).toEqual([]);
  expect(await attempt(3, 'a', 'd')).toEqual([{ task: 't', id: 'a', attempt: 3, unused: 2, first: 'b:k' }]);
  expect(z.array(z.unknown()).parse(await attempt(4))).toEqual([]);
});
