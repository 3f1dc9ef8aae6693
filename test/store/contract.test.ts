import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RefusedError, UnavailableError } from '../../src/kernel/errors.ts';
import { silentLog } from '../../src/kernel/log.ts';
import { systemRandom } from '../../src/kernel/random.ts';
import { memoryStore } from '../../src/store/memory.ts';
import { postgresStore } from '../../src/store/postgres.ts';
import type { Store, TaskRow } from '../../src/store/store.ts';
import { freshDatabase } from '../setup/servers.ts';
import { letter, mark, row, step } from './rows.ts';

const stores = {
  memory: async (): Promise<Store> => memoryStore(),
  Postgres: async (): Promise<Store> => postgresStore({ url: await freshDatabase(), log: silentLog }),
};

const one = (change: Partial<TaskRow>): TaskRow => row({ id: systemRandom.nonce(), ...change });
const json = (text: string | undefined): unknown => text && JSON.parse(text);

describe.each(Object.entries(stores))('%s', (_name, open) => {
  let store: Store;
  beforeAll(async () => {
    store = await open();
    await store.migrate();
  });
  afterAll(() => store.close());

  const stored = ({ type, id }: TaskRow) => store.task(type, id);

  test('a row comes back as it was written, its steps in order', async () => {
    const full = one({
      key: 'k',
      tenant: 't',
      group: 'g',
      title: 'a title',
      status: 'dead',
      reason: 'exhausted',
      attempt: 3,
      failures: 2,
      worker: 'node-1.3',
      inputHash: 'h',
      parent: 'p',
      redriveOf: 'r',
      deadline: '2026-01-02T10:00:00.000Z',
      startedAt: '2026-01-01T10:00:00.001Z',
      finishedAt: '2026-01-01T10:00:00.002Z',
      steps: [step('b', { position: 0 }), step('a', { position: 1 }), step('a', { key: '2', position: 2 })],
    });
    await store.project([full]);
    expect(await stored(full)).toEqual(full);
  });

  test('values come back equal as JSON, and null is not the same as nothing', async () => {
    const value = '{"text":"say \\"no\\", \\\\ and é","list":[1,2.5,null,{}]}';
    const written = one({ input: value, result: 'null', steps: [step('s', { result: undefined })] });
    await store.project([written]);
    const read = await stored(written);
    expect(json(read?.input)).toEqual(json(value));
    expect(read?.result).toBe('null');
    expect(read?.error).toBeUndefined();
    expect(read?.steps[0]?.result).toBeUndefined();
  });

  test('input and results come back by the letter: what is made of them again is the same', async () => {
    const value = '{"title": "x", "id":7, "a":{"z":1e2,"b":1.50}}';
    const written = one({ input: value, result: value, steps: [step('s', { result: value })] });
    await store.project([written]);
    await store.project([{ ...written, revision: 2 }]);
    expect(await stored(written)).toMatchObject({ input: value, result: value, steps: [{ result: value }] });
  });

  test('what was never written is not there', async () => {
    expect(await store.task('summarise', 'nobody')).toBeUndefined();
    expect(await store.deadLetters('summarise', 'nobody')).toEqual([]);
    expect(await store.mark('nothing')).toBeUndefined();
    expect(await store.countByStatus([row({ id: 'nobody' })])).toEqual({});
    expect(await store.countByStatus([])).toEqual({});
  });

  test('a type and an id are the key together, whatever the id is made of', async () => {
    const same = [one({ id: 'a b' }), one({ type: 'extract', id: 'a b' }), one({ id: "o'neil; €" })];
    await store.project(same);
    expect(await Promise.all(same.map(stored))).toEqual(same);
  });

  test('an older or equal revision changes nothing, a newer one all', async () => {
    const written = one({ revision: 5, status: 'running', worker: 'w' });
    await store.project([written]);
    await store.project([{ ...written, status: 'dead' }]);
    await store.project([{ ...written, revision: 4, status: 'dead' }]);
    expect(await stored(written)).toEqual(written);
    const newer = { ...written, revision: 10, status: 'completed', worker: undefined };
    await store.project([newer]);
    expect(await stored(written)).toEqual(newer);
  });

  test('a later incarnation wins with any revision, an earlier one never', async () => {
    const written = one({ incarnation: 'b', revision: 5 });
    const later = { ...written, incarnation: 'b~0001', revision: 1 };
    await store.project([written]);
    await store.project([{ ...written, incarnation: 'Z', revision: 9 }]);
    expect(await stored(written)).toEqual(written);
    await store.project([later]);
    expect(await stored(written)).toEqual(later);
  });

  test('of several rows of one task in a batch the latest counts, wherever it stands', async () => {
    const written = one({ revision: 2, status: 'waiting' });
    await store.project([{ ...written, revision: 1 }, { ...written, revision: 3, status: 'completed' }, written]);
    expect((await stored(written))?.status).toBe('completed');
  });

  test('a later journal replaces the earlier: steps are added, changed and forgotten', async () => {
    const written = one({ steps: [step('a'), step('b', { position: 1 }), step('c', { position: 2 })] });
    const changed = step('b', { position: 1, result: '"again"', at: '2026-01-01T10:00:09.000Z' });
    await store.project([written]);
    await store.project([{ ...written, revision: 2, steps: [step('a'), changed, step('d', { position: 2 })] }]);
    expect((await stored(written))?.steps).toEqual([step('a'), changed, step('d', { position: 2 })]);
    await store.project([{ ...written, revision: 3, steps: [] }]);
    expect((await stored(written))?.steps).toEqual([]);
  });

  test('the steps of a row that lost are not written', async () => {
    const written = one({ revision: 2, steps: [step('a')] });
    await store.project([written]);
    await store.project([{ ...written, revision: 1, steps: [step('z')] }]);
    expect((await stored(written))?.steps).toEqual([step('a')]);
  });

  const refused: Readonly<Record<string, Partial<TaskRow>>> = {
    'U+0000 in a value': { result: '{"deep":["a\\u0000b"]}' },
    'U+0000 in a key of a value': { error: '{"a\\u0000b":1}' },
    'half a surrogate pair in a value': { input: '"\\ud800"' },
    'U+0000 in a column': { title: 'a\0b' },
    'a value that is no JSON': { usage: '{' },
    'a time that is none': { deadline: 'tomorrow, perhaps' },
    'a number beyond its column': { attempt: 2 ** 31 },
    'a step with U+0000': { steps: [step('a', { result: '"\\u0000"' })] },
    'a step that is there twice': { steps: [step('a'), step('a', { position: 1 })] },
  };

  test.each(Object.entries(refused))('%s is refused, and nothing of its batch is written', async (_what, change) => {
    const good = one({});
    const bad = one(change);
    await expect(store.project([good, bad], mark({ stream: bad.id }))).rejects.toThrow(RefusedError);
    expect(await stored(good)).toBeUndefined();
    expect(await stored(bad)).toBeUndefined();
    expect(await store.mark(bad.id)).toBeUndefined();
    await store.project([good]);
    expect(await stored(good)).toEqual(good);
  });

  test('text that only looks like U+0000 is taken', async () => {
    const written = one({ result: '"a\\\\u0000b"' });
    await store.project([written]);
    expect(json((await stored(written))?.result)).toBe('a\\u0000b');
  });

  test('the mark goes with its batch, and never back', async () => {
    const stream = systemRandom.nonce();
    const far = mark({ stream, revision: 500, digest: 'e' });
    await store.project([one({})], far);
    expect(await store.mark(stream)).toEqual(far);
    await store.project([], mark({ stream, revision: 400 }));
    expect(await store.mark(stream)).toEqual(far);
    const anew = mark({ stream, source: 'b', incarnation: 'b', revision: 3 });
    await store.project([], anew);
    expect(await store.mark(stream)).toEqual(anew);
  });

  test('an empty batch is no error', async () => {
    await store.project([]);
    await store.projectDeadLetters([]);
  });

  test('a dead letter is written once, and another one of the same task beside it', async () => {
    const id = systemRandom.nonce();
    const letters = [
      letter({ id, revision: 2, error: '"no"' }),
      letter({ id, revision: 10, reason: 'refused', error: undefined }),
    ];
    await store.projectDeadLetters(letters);
    await store.projectDeadLetters([letter({ id, revision: 2, body: 'another' })]);
    expect(await store.deadLetters('summarise', id)).toEqual(letters);
  });

  test('a dead letter that is no text is refused', async () => {
    await expect(store.projectDeadLetters([letter({ body: 'a\0b' })])).rejects.toThrow(RefusedError);
  });

  test('tasks are counted by status, and no others with them', async () => {
    const statuses = ['completed', 'completed', 'dead', 'running'];
    const rows = statuses.map((status) => one({ group: 'g', status }));
    await store.project([...rows, one({ group: 'g', status: 'running' })]);
    expect(await store.countByStatus([...rows, one({})])).toEqual({ completed: 2, dead: 1, running: 1 });
  });

  test('a task that ended before the time asked for is another one, and is not counted', async () => {
    const [at, before, since] = ['2026-01-01T10:00:00.001Z', '2026-01-01T10:00:00.002Z', '2026-01-01T10:00:00.003Z'];
    const ended = (finishedAt: string) => one({ status: 'completed', finishedAt });
    const rows = [ended(at), ended(before), ended(since), one({ status: 'running' })];
    await store.project(rows);
    expect(await store.countByStatus(rows.map((each) => ({ ...each, since })))).toEqual({ completed: 1, running: 1 });
    expect(await store.countByStatus(rows)).toEqual({ completed: 3, running: 1 });
    const early = rows.slice(0, 2).map(({ type, id }) => expect.objectContaining({ type, id }));
    const found = await store.endedBefore(rows, since);
    expect(found).toHaveLength(2);
    expect(found).toEqual(expect.arrayContaining(early));
  });

  test('whatever the order and the batches, each task ends at its latest revision', async () => {
    const change = fc.record({
      id: fc.constantFrom('a', 'b', 'c'),
      incarnation: fc.constantFrom('a', 'b'),
      revision: fc.integer({ min: 1, max: 5 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(change, { maxLength: 4 }), { maxLength: 6 }), async (batches) => {
        const type = `t${systemRandom.nonce()}`;
        const all = batches.flat();
        for (const batch of batches) {
          await store.project(
            batch.map((each) => row({ ...each, type, worker: `${each.incarnation}${each.revision}` })),
          );
        }
        for (const id of new Set(all.map((each) => each.id))) {
          const last = all
            .filter((each) => each.id === id)
            .reduce((x, y) => (`${y.incarnation}${y.revision}` > `${x.incarnation}${x.revision}` ? y : x));
          expect((await store.task(type, id))?.worker).toBe(`${last.incarnation}${last.revision}`);
        }
      }),
      { numRuns: 30 },
    );
  });

  test('writers of the same rows in different orders all succeed', async () => {
    const rows = Array.from({ length: 50 }, () => one({}));
    const writers = Array.from({ length: 8 }, (_, index) => {
      const mine = rows.map((each) => ({ ...each, revision: index + 1, steps: [step('a', { ms: index })] }));
      return store.project(index % 2 === 0 ? mine : mine.toReversed(), mark({ stream: 'busy', revision: index + 1 }));
    });
    await Promise.all(writers);
    for (const each of rows) expect(await stored(each)).toMatchObject({ revision: 8, steps: [{ ms: 7 }] });
  });
});

test.each(Object.entries(stores))('%s is not ready and unavailable once it is closed', async (_name, open) => {
  const store = await open();
  await store.migrate();
  expect(await store.ready()).toBe(true);
  await Promise.all([store.close(), store.close()]);
  expect(await store.ready()).toBe(false);
  await expect(store.project([row()])).rejects.toThrow(UnavailableError);
});
