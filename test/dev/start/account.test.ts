import { describe, expect, it } from 'vitest';
import type { Arrival } from '../../../src/dev/model-server.ts';
import { accountOf, type Found } from '../../../src/dev/start/account.ts';
import { type Item, itemsOf } from '../../../src/dev/start/batch.ts';
import { accountLines, limitsText, placeLines } from '../../../src/dev/start/report.ts';
import type { TaskRecord } from '../../../src/task/record.ts';
import { completed, dead, failed, firstRecord, rejected, stepped } from '../../../src/task/transitions.ts';
import type { TaskRow } from '../../../src/store/store.ts';

const items = itemsOf('b1', ['alpha', 'beta']);
const now = Date.UTC(2026, 0, 1);

const running = ({ type, id }: Item, attempt: number): TaskRecord => ({
  ...firstRecord({
    type,
    id,
    route: { pool: 'default', lane: 'normal', partition: '0' },
    inputHash: 'x',
    submittedAt: now,
  }),
  attempt,
});

const billed = { inputTokens: 100, outputTokens: 10, usd: 0.01 };

const asked = (record: TaskRecord, attempt: number): TaskRecord =>
  stepped(record, {
    name: 'model:fast',
    key: record.type,
    result: { attempt, waitedMs: record.type === 'extract' ? 2_500 : 40, billed },
    at: new Date(now).toISOString(),
    ms: 1,
  });

const rowOf = (record: TaskRecord): TaskRow => ({
  type: record.type,
  id: record.id,
  incarnation: '1',
  revision: 1,
  pool: record.pool,
  lane: record.lane,
  key: undefined,
  tenant: undefined,
  group: 'b1',
  title: undefined,
  status: record.status,
  reason: record.reason,
  attempt: record.attempt,
  failures: record.failures,
  worker: undefined,
  inputHash: record.inputHash,
  input: undefined,
  result: record.result === undefined ? undefined : JSON.stringify(record.result),
  error: record.error && JSON.stringify(record.error),
  waiting: undefined,
  usage: undefined,
  parent: undefined,
  redriveOf: undefined,
  deadline: undefined,
  createdAt: record.createdAt,
  startedAt: undefined,
  finishedAt: undefined,
  steps: record.steps.map((step, position) => ({
    name: step.name,
    key: '',
    position,
    result: JSON.stringify(step.result),
    at: step.at,
    ms: step.ms,
  })),
});

const found = (item: Item, record: TaskRecord): Found => ({ item, record, row: rowOf(record) });

const error = { code: 'error', message: 'on purpose' };
const [a, b, c, d, e, f] = items;
if (!a || !b || !c || !d || !e || !f) throw new Error('two documents, three tasks');

const once = completed(asked(running(a, 1), 1), { z: 1, a: [1] }, now);
const lostAWorker = completed(asked(running(b, 2), 1), { ok: true }, now);
const retried = completed({ ...failed(asked(running(c, 1), 1), error, now, false), attempt: 2 }, { ok: true }, now);
const refused = rejected(asked(running(d, 1), 1), error, now);
const exhausted = dead({ ...asked(running(e, 3), 1), failures: 3 }, 'exhausted', error, now);
const open = running(f, 1);

const batch: readonly Found[] = [once, lostAWorker, retried, refused, exhausted, open].map((record, index) =>
  found(items[index] ?? a, record),
);

const arrival = (atMs: number, outcome: Arrival['outcome'] = 'answered'): Arrival => ({
  atMs,
  headMs: atMs,
  model: 'gpt',
  tokens: outcome === 'refused' ? 0 : 110,
  asked: 110,
  used: 80,
  outcome,
});

describe('the account', () => {
  const account = accountOf(batch);

  it('counts what ended how, and what did not', () => {
    expect(account.together).toEqual({ done: 3, failed: 1, dead: 1, other: 1 });
    expect(account.byType.summarise).toEqual({ done: 2, failed: 0, dead: 0, other: 0 });
  });

  it('tells a lost attempt from a failed one', () => {
    expect(account.takenOver).toBe(1);
    expect(account.retried).toBe(1);
  });

  it('counts each recorded call once, and once more for every attempt that replayed it', () => {
    expect(account.calls).toMatchObject({ made: 5, replayed: 4, inputTokens: 500, outputTokens: 50 });
    expect(account.calls.usd).toBeCloseTo(0.05);
  });

  it('keeps how long each call waited for its permit', () => {
    expect(account.calls.waitedMs).toEqual([40, 40, 40, 2_500, 2_500]);
  });

  it('finds Postgres and KV equal, whatever order their JSON has', () => {
    expect(
      accountOf([{ item: a, record: once, row: { ...rowOf(once), result: '{"a":[1],"z":1}' } }]).differing,
    ).toEqual([]);
  });

  it('names what differs', () => {
    const { differing, rows, records } = accountOf([
      { item: a, record: once, row: { ...rowOf(once), result: '{"a":[2],"z":1}' } },
      { item: b, record: lostAWorker, row: undefined },
      { item: c, record: undefined, row: rowOf(retried) },
    ]);
    expect(differing).toEqual([a, b]);
    expect([rows, records]).toEqual([2, 2]);
  });

  it('adds up on the terminal', () => {
    const text = accountLines(account, 'b1', { limits: {}, arrivals: [arrival(0), arrival(1, 'refused')] }).join('\n');
    expect(text).toContain('1 answered, 1 refused with 429: its limits were EXCEEDED');
    expect(text).toContain('$0.0500, by the prices in examples/app.ts: SIMULATED, not paid');
    expect(text).toContain('2 calls held back by the budget; for a permit 0.0 s (median), 2.5 s (longest)');
    expect(text).toMatch(/together +3 +1 +1\n/);
    expect(text).toContain('2 of the failed and dead: the example');
    expect(text).toContain('1 task cancelled or not ended');
    expect(text).toContain('6 of 6 rows in Postgres, 6 records in KV: all equal');
  });

  it('tells how much of each limit was used in whole windows, and the most that any window held', () => {
    const arrivals = [0, 100, 900, 1_050, 1_950, 2_100].map((atMs) => arrival(atMs));
    const limits = { requests: { limit: 4, perMs: 1_000 }, tokens: { limit: 500, perMs: 5_000 }, concurrent: 2 };
    const text = accountLines(account, 'b1', { limits, arrivals }).join('\n');
    expect(text).toContain('6 answered, 0 refused with 429: its limits were never exceeded');
    expect(text).toContain('1 answer never recorded');
    expect(text).toContain('of 4 calls in any 1 s: 62.5 % over 2 windows; 3 at the most');
    expect(text).toContain('of 500 tokens in any 5 s: too short to tell; 480 at the most');
    expect(limitsText(limits)).toBe('4 calls in any 1 s, 500 tokens in any 5 s, 2 calls at once');
  });

  it('says where a dead letter is', () => {
    const places = { natsUrl: 'nats://127.0.0.1:4222', postgresUrlFile: '.troupe/postgres.url', httpUrl: 'http://x' };
    expect(placeLines(account, 'b1', a, places).join('\n')).toContain('dlq.*.*.inspect.b1-alpha');
  });
});
