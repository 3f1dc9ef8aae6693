import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cancelEnds } from '../../src/actors/projector-cancels.ts';
import { incarnationFor } from '../../src/actors/projector-incarnation.ts';
import { deadLetterRow } from '../../src/actors/projector-letters.ts';
import { decodeEntry, taskRow } from '../../src/actors/projector-row.ts';
import { writeOrBisect } from '../../src/actors/projector-write.ts';
import { RefusedError, UnavailableError } from '../../src/kernel/errors.ts';
import { type Log, silentLog } from '../../src/kernel/log.ts';
import { refusal } from '../../src/store/memory-refusal.ts';
import { encodeRecord } from '../../src/task/record.ts';
import { mark } from '../store/rows.ts';
import { record } from './projector-world.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('a batch with rows that are refused', () => {
  test('is written without exactly those, each row once and in order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { maxLength: 40 }), async (poisonous) => {
        const rows = poisonous.map((poison, index) => ({ index, poison }));
        const written: number[] = [];
        const refused: number[] = [];
        await writeOrBisect(
          rows,
          async (some) => {
            if (some.some(({ poison }) => poison)) throw new RefusedError('poison');
            written.push(...some.map(({ index }) => index));
          },
          async ({ index }) => void refused.push(index),
        );
        expect(written).toEqual(rows.filter(({ poison }) => !poison).map(({ index }) => index));
        expect(refused).toEqual(rows.filter(({ poison }) => poison).map(({ index }) => index));
      }),
    );
  });

  test('takes few statements to find one among 500', async () => {
    let writes = 0;
    const write = async (rows: readonly number[]): Promise<void> => {
      writes += 1;
      if (rows.includes(321)) throw new RefusedError('poison');
    };
    await writeOrBisect([...Array(500).keys()], write, async () => undefined);
    expect(writes).toBeLessThan(25);
  });

  test('is not searched when the store is away: that is nobody’s fault', async () => {
    const write = (): Promise<void> => Promise.reject(new UnavailableError('away'));
    const refused = (): Promise<void> => Promise.reject(new Error('no row is to blame'));
    await expect(writeOrBisect([1, 2, 3], write, refused)).rejects.toThrow(UnavailableError);
  });
});

describe('the incarnation of the rows', () => {
  const marked = mark({ source: 'b', incarnation: 'b', revision: 10, digest: 'x' });

  test.each([
    ['nothing was projected before', undefined, { incarnation: 'b', lastSeq: 3 }, undefined, 'b'],
    ['the stream is as it was', marked, { incarnation: 'b', lastSeq: 10 }, 'x', 'b'],
    ['the last projected entry was overwritten since', marked, { incarnation: 'b', lastSeq: 12 }, undefined, 'b'],
    ['the stream was made anew', marked, { incarnation: 'c', lastSeq: 2 }, undefined, 'c'],
    ['it was made anew by a clock that runs behind', marked, { incarnation: 'a', lastSeq: 2 }, undefined, 'b~0001'],
    ['it has lost its end', marked, { incarnation: 'b', lastSeq: 9 }, undefined, 'b~0001'],
    ['it has lost its end and grown past it', marked, { incarnation: 'b', lastSeq: 30 }, 'y', 'b~0001'],
    [
      'that has happened before',
      { ...marked, incarnation: 'b~0001' },
      { incarnation: 'b', lastSeq: 10 },
      'x',
      'b~0001',
    ],
    ['it happens again', { ...marked, incarnation: 'b~0009' }, { incarnation: 'b', lastSeq: 1 }, undefined, 'b~0010'],
    [
      'it is made anew after that',
      { ...marked, incarnation: 'b~0009' },
      { incarnation: 'c', lastSeq: 1 },
      undefined,
      'c',
    ],
  ])('when %s', (_what, before, info, there, expected) => {
    expect(incarnationFor(before, info, there)).toBe(expected);
  });

  test('never sorts below what was written, and rises when the history is another', () => {
    const name = fc.stringMatching(/^[a-z0-9]{4}$/);
    fc.assert(
      fc.property(name, name, fc.nat(20), (first, second, lastSeq) => {
        const before = mark({ source: first, incarnation: first, revision: 10 });
        const next = incarnationFor(before, { incarnation: second, lastSeq }, undefined);
        const same = first === second && lastSeq >= 10;
        expect(same ? next === first : next > first).toBe(true);
      }),
    );
  });
});

describe('the ends of cancellations that the projector comes by', () => {
  const setup = () => {
    const asked: string[] = [];
    const told: unknown[] = [];
    const full = { now: true };
    const finishCancel = async (key: string): Promise<boolean> => {
      asked.push(key);
      return !full.now;
    };
    const log: Log = { ...silentLog, warn: (fields) => told.push(fields) };
    return { ends: cancelEnds({ finishCancel, log }), asked, told, full };
  };

  test('that a full bucket refuses are tried again with the next batches, and told of once until they are done', async () => {
    const { ends, asked, told, full } = setup();
    await ends(['a', 'b']);
    await ends(['c']);
    expect([asked, told]).toEqual([['a', 'b', 'a', 'b', 'c'], [{ records: 2 }]]);
    full.now = false;
    await ends([]);
    await ends([]);
    expect(asked.slice(5).toSorted()).toEqual(['a', 'b', 'c']);
    full.now = true;
    await ends(['d']);
    expect(told).toEqual([{ records: 2 }, { records: 1 }]);
  });

  test('are not all tried where there is no room, and each has its turn', async () => {
    const { ends, asked } = setup();
    const keys = Array.from({ length: 20 }, (_, n) => `k${n}`);
    await ends(keys);
    expect(asked).toEqual(keys.slice(0, 16));
    await ends([]);
    expect(asked.slice(16, 20)).toEqual(keys.slice(16));
  });
});

describe('an entry', () => {
  test('is a record only under its own key', () => {
    const data = encodeRecord(record('one'));
    expect(decodeEntry('summarise.one', data)).toMatchObject({ type: 'record' });
    expect(decodeEntry('summarise.two', data)).toEqual({
      type: 'garbage',
      why: 'the record of "summarise.one" under another key',
    });
  });

  test('of an id that is no token is found under its encoded key', () => {
    expect(decodeEntry('summarise.=w6kgMQ', encodeRecord(record('é 1')))).toMatchObject({ type: 'record' });
  });

  test.each(['garbage', '', '{}', '[]', 'null', '{"v":2}'])('of %j is garbage', (text) => {
    expect(decodeEntry('x', bytes(text))).toMatchObject({ type: 'garbage' });
  });

  test('of a type that cannot be named is garbage', () => {
    const data = encodeRecord(record('one', { type: 'no type' }));
    expect(decodeEntry('no type.one', data)).toMatchObject({ type: 'garbage' });
  });
});

test('values come from blobs where they are there, and a row is whole without those that are gone', async () => {
  const gone: string[] = [];
  const text = async (name: string) => (name === 'kept' ? '{"long":"text"}' : undefined);
  const at = '2026-01-01T10:00:00.000Z';
  const steps = [
    { name: 'a', ref: 'kept', at, ms: 1 },
    { name: 'b', ref: 'lost', at, ms: 2 },
    { name: 'c', key: '1', result: null, at, ms: 3 },
  ];
  const whole = record('one', { inputRef: 'kept', resultRef: 'kept', steps });
  const row = await taskRow({ text, gone: (name) => gone.push(name) }, whole, { incarnation: 'a', revision: 7 });
  expect(row).toMatchObject({ input: '{"long":"text"}', result: '{"long":"text"}', revision: 7 });
  expect(row.steps).toEqual([
    { name: 'a', key: '', position: 0, result: '{"long":"text"}', at, ms: 1 },
    { name: 'b', key: '', position: 1, result: undefined, at, ms: 2 },
    { name: 'c', key: '1', position: 2, result: 'null', at, ms: 3 },
  ]);
  expect(gone).toEqual(['lost']);
});

describe('a dead letter as a row', () => {
  const stored = (subject: string, body: string) =>
    deadLetterRow({ stream: 'DLQ', subject, seq: 3, data: bytes(body), headers: {}, at: 0 }, 'i');

  test('says what its subject and its body say', () => {
    const body = '{"error":{"code":"unknown","message":"no"}}';
    expect(stored('dlq.default.exhausted.summarise.=w6kgMQ', body)).toEqual({
      type: 'summarise',
      id: 'é 1',
      reason: 'exhausted',
      pool: 'default',
      error: '{"code":"unknown","message":"no"}',
      body,
      at: '1970-01-01T00:00:00.000Z',
      incarnation: 'i',
      revision: 3,
    });
  });

  test('is made of whatever stands in the stream, so that the store takes it', () => {
    const texts = fc.oneof(fc.string({ unit: 'binary' }), fc.json(), fc.constant('{"error":{"a\\u0000":["\\ud800"]}}'));
    fc.assert(
      fc.property(texts, (body) => {
        expect(refusal(stored('dlq.x', body))).toBeUndefined();
      }),
    );
  });
});
