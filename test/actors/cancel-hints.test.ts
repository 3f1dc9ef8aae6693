import { expect, test } from 'vitest';
import { cancelHints } from '../../src/actors/cancel-hints.ts';
import { subjects } from '../../src/bus/subjects.ts';
import { open } from '../task/world.ts';

test('whoever cancels a task is heard by all pools of a node, until it stops', async () => {
  const { bus, clock, node } = await open();
  const heard: string[] = [];
  const pool = (name: string) => ({
    start: () => Promise.resolve({ exit: Promise.resolve() }),
    cancel: (recordKey: string) => void heard.push(`${name} ${recordKey}`),
  });
  const life = new AbortController();
  const { exit } = await cancelHints(bus, [pool('a'), pool('b')])(life.signal);
  const other = node().bus;
  other.publish(subjects.cancel('t.=YSBi'), new Uint8Array());
  await clock.settle();
  expect(heard).toEqual(['a t.=YSBi', 'b t.=YSBi']);
  life.abort();
  await exit;
  await clock.settle();
  other.publish(subjects.cancel('t.c'), new Uint8Array());
  await clock.settle();
  expect(heard).toHaveLength(2);
});
