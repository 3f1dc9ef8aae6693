/** Protocol 13, 16 and 17: what a task has recorded is recorded once, whole, and is not run again. */
import { expect, test } from 'vitest';
import { world } from './fixture.ts';
import { onBothGrounds } from './grounds.ts';

onBothGrounds((make) => {
  test('parallel steps do not fence their own task', async () => {
    const setting = await world(await make(), {
      run: async (ctx) => {
        const all = Array.from({ length: 60 }, (_, n) => ctx.step('part', async () => n, { key: n }));
        const parts = await Promise.all(all);
        return parts.reduce((sum, part) => sum + part, 0);
      },
    });
    const { metrics } = await setting.boot('a');
    await setting.submit('x');
    const record = await setting.becomes('x');
    expect(record).toMatchObject({ status: 'completed', attempt: 1, result: 1_770 });
    expect(record?.steps).toHaveLength(60);
    expect(await metrics.text()).not.toContain('troupe_fenced_total{');
  });

  test('no recorded step runs again on another node, and large values come with it', async () => {
    const ran: string[] = [];
    const inside = Promise.withResolvers<void>();
    const large = (letter: string): string => letter.repeat(50_000);
    const setting = await world(await make(), {
      run: async (ctx) => {
        const step = (name: string) =>
          ctx.step(name, () => {
            ran.push(`${name}${ctx.attempt}`);
            return large(name);
          });
        const [a, b] = await Promise.all(['a', 'b', 'c'].map(step));
        if (ctx.attempt === 1) {
          inside.resolve();
          await new Promise(() => {});
        }
        return [a?.length, b?.length, await step('d')];
      },
    });
    const first = await setting.boot('a');
    await setting.submit('x');
    await setting.eventually(inside.promise);
    first.crash();
    await setting.boot('b');
    const record = await setting.becomes('x');
    expect(record).toMatchObject({ status: 'completed', attempt: 2 });
    expect(ran.toSorted()).toEqual(['a1', 'b1', 'c1', 'd2']);
    const entry = await setting.eventually(setting.records.get('t.x'));
    expect(entry?.value.length).toBeLessThan(64 * 1_024);
    // Each value is a blob of its task's own, and is written once.
    const blobs = await setting.eventually(setting.blobs.list());
    const refs = [...(record?.steps ?? []), { ref: record?.resultRef }].flatMap(({ ref }) => ref ?? []);
    expect(
      blobs
        .map(({ name }) => name)
        .filter((name) => name.startsWith('t.x.'))
        .toSorted(),
    ).toEqual(refs.toSorted());
  });
});
