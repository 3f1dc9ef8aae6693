import { expect, onTestFinished, test } from 'vitest';
import { client } from '../../src/client/client.ts';
import type { App } from '../../src/index.ts';
import { silentLog } from '../../src/kernel/log.ts';
import { seededRandom } from '../../src/kernel/random.ts';
import { app, completed, open } from '../task/world.ts';

test.each([true, false])(
  'the events of a run are its own, though another of its id was shown lately (its record is there: %s)',
  async (recorded) => {
    const world = await open({ recordLifeMs: 10_000 });
    const { clock, submit, take, run } = world;
    const admission = { admit: () => Promise.reject(new Error('nothing is submitted here')) };
    const following = client<App>({ ...world, random: seededRandom(2), log: silentLog, region: 'main', admission });
    onTestFinished(() => following.close());
    const { promise: shown, resolve: show } = Promise.withResolvers<void>();
    const shows = (value: string, until: Promise<void> = Promise.resolve()) =>
      app(async ({ emit, journal }) => {
        emit({ type: 'progress', value });
        if (recorded) await journal.step('one', undefined, () => 1);
        await until;
        return completed(value);
      });
    await submit({ id: 'a', input: 1 });
    await run(shows('first'), await take());
    await clock.advance(15_000);
    await submit({ id: 'a', input: 2 });
    const running = run(shows('second', shown), await take());
    await clock.settle();
    expect((await world.record('a')) !== undefined).toBe(recorded);
    const seen: unknown[] = [];
    for await (const event of following.run('t', 'a').events()) {
      seen.push(event.type === 'progress' ? event.value : event.type);
      if (event.type === 'progress') show();
    }
    await running;
    expect(seen.filter((each) => each !== 'step')).toEqual(['queued', 'started', 'second', 'completed']);
  },
);
