import { expect, test } from 'vitest';
import { context } from '../../src/app/context.ts';
import { localCache } from '../../src/app/local.ts';
import type { Log, Write } from '../../src/kernel/log.ts';
import { virtualClock } from '../../src/kernel/virtual-clock.ts';
import { journal } from '../../src/task/journal.ts';
import { lives } from '../../src/task/lives.ts';
import type { Task } from '../../src/task/message.ts';
import { open } from '../task/world.ts';

const task: Task = {
  id: 'mail/1',
  type: 'mail',
  route: { pool: 'p', lane: 'normal', partition: '0' },
  recordKey: 'mail.=bWFpbC8x',
  inputHash: 'h',
  submittedAt: 0,
  resume: 0,
  depth: 0,
  headers: {},
  payload: new Uint8Array(),
};

const noting = (lines: object[], own: object = {}): Log => {
  const write: Write = (fields, message) =>
    void lines.push({ ...own, ...(typeof fields === 'string' ? { message: fields } : { ...fields, message }) });
  return { debug: write, info: write, warn: write, error: write, child: (more) => noting(lines, { ...own, ...more }) };
};

const setup = async (of: Task = task) => {
  const { ports } = await open();
  const lines: object[] = [];
  const life = new AbortController();
  const ctx = context({
    attempt: {
      task: of,
      input: null,
      number: 3,
      startedAt: 5,
      alone: false,
      journal: journal(ports, new Promise(() => {}), lives().begin('t.a')),
      signal: life.signal,
      emit: () => true,
    },
    deps: { db: 1 },
    local: localCache(virtualClock()),
    log: noting(lines),
    step: async () => undefined,
    stream: async () => {},
    submit: async () => ({ id: 'child' }),
    progress: () => {},
    model: () => {
      throw new Error('no models here');
    },
    embedding: () => {
      throw new Error('no models here');
    },
    permit: (_budget, call) => call(),
  });
  return { ctx, lines, life };
};

test('what a task does not have is not there', async () => {
  const { ctx } = await setup();
  expect(Object.keys(ctx)).not.toEqual(expect.arrayContaining(['tenant']));
  expect([ctx.tenant, ctx.key, ctx.deadline, ctx.id, ctx.attempt, ctx.startedAt]).toEqual([
    undefined,
    undefined,
    undefined,
    'mail/1',
    3,
    new Date(5),
  ]);
  const full = await setup({ ...task, tenant: 't', key: 'k', deadlineAt: 9 });
  expect([full.ctx.tenant, full.ctx.key, full.ctx.deadline]).toEqual(['t', 'k', new Date(9)]);
});

test('its lines in the log say whose they are', async () => {
  const { ctx, lines } = await setup();
  ctx.log.info({ n: 1 }, 'one');
  ctx.log.warn('two');
  expect(lines).toEqual([
    { task: 'mail', id: 'mail/1', attempt: 3, n: 1, message: 'one' },
    { task: 'mail', id: 'mail/1', attempt: 3, message: 'two' },
  ]);
});

test('its signal is the attempt’s', async () => {
  const { ctx, life } = await setup();
  life.abort(new Error('stop'));
  expect(ctx.abortSignal.reason).toMatchObject({ message: 'stop' });
});
