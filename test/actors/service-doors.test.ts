// Everything here is asked as `nats req` would ask it: the service is a whole client for those who speak plain NATS.
import { Objm } from '@nats-io/obj';
import { connect } from '@nats-io/transport-node';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import type { Bus } from '../../src/bus/bus.ts';
import { encodeId } from '../../src/bus/subjects.ts';
import { bucket } from '../../src/kv/bucket.ts';
import { defineApp, defineTask } from '../../src/index.ts';
import { madeId } from '../../src/task/made-id.ts';
import { refused, req, startWorld } from '../client/world.ts';

const letGo = Promise.withResolvers<void>();

const echo = defineTask({
  name: 'echo',
  input: z.object({ text: z.string().optional(), n: z.number().optional() }),
  output: z.object({ text: z.string(), lane: z.string(), tenant: z.string() }),
  run: async (ctx, { text = '' }) => ({ text, lane: 'any', tenant: ctx.tenant ?? '' }),
});
const anything = defineTask({ name: 'anything', input: z.any(), output: z.any(), run: async (_ctx, input) => input });
const fails = defineTask({
  name: 'fails',
  input: z.object({}),
  retry: { max: 1 },
  run: async () => {
    throw new Error('it is broken');
  },
});
const waits = defineTask({ name: 'waits', input: z.object({}), run: () => letGo.promise });
const room = Promise.withResolvers<void>();
const crowd: string[] = [];
/** Its pool has a place for one. */
const crowded = defineTask({
  name: 'crowded',
  pool: 'tiny',
  input: z.object({}),
  run: async (ctx) => {
    crowd.push(ctx.id);
    await room.promise;
  },
});
const large = defineTask({
  name: 'large',
  input: z.object({}),
  output: z.string(),
  run: async () => 'x'.repeat(2_000_000),
});

const open = () => {
  const pools = {
    default: { workers: { min: 8, max: 8 } },
    slow: { workers: { min: 1, max: 1 } },
    tiny: { workers: { min: 1, max: 1 }, queue: { max: 1 } },
  };
  const classify = [{ when: ({ type }: { readonly type: string }) => type === 'waits', pool: 'slow' }];
  return startWorld(defineApp({ pools, classify, tasks: [echo, anything, fails, waits, crowded, large] }));
};

let world: Awaited<ReturnType<typeof open>>;
let bus: Bus;
beforeAll(async () => {
  world = await open();
  bus = world.plain.bus;
});
afterAll(async () => {
  letGo.resolve();
  await world.close();
});
beforeEach(() => void world.lines.splice(0));

const ended = async (type: string, id: string) => (await req(bus, `await.${type}.${id}`)).body;

describe('the service ingress', () => {
  test('takes a task, answers with its id, and says what to ask next', async () => {
    const { body, headers } = await req(bus, 'submit.echo', { text: 'hello' });
    expect(headers['Nats-Service-Error-Code']).toBeUndefined();
    expect(body).toMatchObject({
      type: 'echo',
      id: expect.stringMatching(/^[\w-]{22}$/),
      status: 'queued',
      duplicate: false,
    });
    expect(body.next).toContain(`nats req --timeout 35s await.echo.${body.id} ''`);
    const end = await ended('echo', body.id);
    expect(end).toMatchObject({ status: 'completed', attempt: 1, output: { text: 'hello' } });
    expect(end.next).toEqual([`nats kv get tasks echo.${body.id} --raw`]);
    expect((await req(bus, `get.echo.${body.id}`)).body).toEqual(end);
    expect((await req(bus, `why.echo.${body.id}`)).body).toMatchObject({
      status: 'completed',
      why: 'it has completed, in attempt 1',
    });
  });

  test('takes what the headers say of a task', async () => {
    const id = `order/${crypto.randomUUID()} é`;
    const headers = {
      'Troupe-Id': id,
      'Troupe-Tenant': 'acme',
      'Troupe-Lane': 'high',
      'Troupe-Delay': '1h',
      traceparent: '00-a-b-01',
    };
    const { body } = await req(bus, 'submit.echo', {}, headers);
    expect(body).toMatchObject({ id, duplicate: false });
    const status = (await req(bus, `get.echo.${encodeId(id)}`)).body;
    expect(status).toMatchObject({ id, status: 'queued', lane: 'high', waitingFor: { reason: 'due' } });
    expect(status.next).toContain(`nats req cancel.echo.${encodeId(id)} ''`);
    expect((await req(bus, `cancel.echo.${encodeId(id)}`, { reason: 'too late' })).body).toMatchObject({
      id,
      status: 'cancelled',
      cancelled: true,
    });
    expect((await req(bus, `cancel.echo.${encodeId(id)}`)).body).toMatchObject({
      status: 'cancelled',
      cancelled: false,
    });
    expect((await req(bus, `why.echo.${encodeId(id)}`)).body.why).toBe('it was cancelled (too late)');
  });

  test('finds a task by its id as it is, where that makes a subject', async () => {
    const { body } = await req(bus, 'submit.echo', {}, { 'Troupe-Id': `a.b@${crypto.randomUUID()}` });
    expect((await req(bus, `await.echo.${body.id}`)).body).toMatchObject({ id: body.id, status: 'completed' });
  });

  test('answers what waits with what it is, when the time is up', async () => {
    const { body } = await req(bus, 'submit.waits', {});
    expect((await req(bus, `await.waits.${body.id}`, { timeout: '30ms' })).body).toMatchObject({
      id: body.id,
      status: expect.stringMatching(/queued|running/),
    });
    const second = (await req(bus, 'submit.waits', {})).body;
    const why = await req(bus, `why.waits.${second.id}`);
    expect(why.body).toMatchObject({ status: expect.stringMatching(/queued|running/), why: expect.any(String) });
  });

  test('lets only so many wait at once', async () => {
    const { id } = (await req(bus, 'submit.waits', {})).body;
    const { doors } = world.node;
    const life = new AbortController();
    const options = { timeoutMs: 600_000, signal: life.signal };
    const waiting = Array.from({ length: 1_000 }, () => doors.await('waits', id, options));
    await expect(doors.await('waits', id, options)).rejects.toMatchObject({ code: 'overloaded' });
    expect(await refused(bus, `await.waits.${id}`)).toMatchObject({ status: 429, code: 'overloaded' });
    life.abort();
    expect((await Promise.all(waiting)).every(({ status }) => status === 'queued' || status === 'running')).toBe(true);
    expect(await refused(bus, `await.waits.${id}`, { timeout: 1 })).toMatchObject({ status: 0 });
  });

  test('answers for what a full pool leaves in the inbox, and cancels it there', async () => {
    await req(bus, 'submit.crowded', {}, { 'Troupe-Id': 'first' });
    for (const id of ['second', 'third']) await req(bus, 'tasks.crowded', {}, { 'Troupe-Id': id });
    const { body: unnamed } = await req(bus, 'tasks.crowded', {});
    const made = madeId((await world.node.queue.get('INBOX', unnamed.seq)) ?? { at: 0, seq: 0 });
    const waitingFor = { reason: 'inbox', detail: expect.stringContaining('until its pool takes more') };
    for (const id of ['second', made])
      expect((await req(bus, `get.crowded.${id}`)).body).toMatchObject({ id, status: 'queued', waitingFor });
    const { body: why } = await req(bus, 'why.crowded.second');
    expect(why).toMatchObject({ status: 'queued', why: waitingFor.detail });
    const { body: later } = await req(bus, 'await.crowded.second', { timeout: '20ms' });
    expect(later).toMatchObject({ status: 'queued', waitingFor });
    const { body: cancelled } = await req(bus, 'cancel.crowded.second');
    expect(cancelled).toMatchObject({ status: 'cancelled', cancelled: true });
    const ends = Promise.all(['second', 'third', made].map((id) => ended('crowded', id)));
    room.resolve();
    expect(await ends).toMatchObject([{ status: 'cancelled' }, { status: 'completed' }, { status: 'completed' }]);
    expect(crowd.toSorted()).toEqual(['first', 'third', made].toSorted());
  });

  test('tries a dead task again, once', async () => {
    const { body } = await req(bus, 'submit.fails', {});
    const dead = await ended('fails', body.id);
    expect(dead).toMatchObject({ status: 'dead', error: { code: 'error', message: 'it is broken' } });
    expect(dead.error.stack).toBeUndefined();
    expect(dead.next[0]).toBe(`nats req retry.fails.${body.id} ''`);
    expect((await req(bus, `why.fails.${body.id}`)).body.why).toContain('it is broken');
    const again = await req(bus, `retry.fails.${body.id}`);
    expect(again.body).toMatchObject({ id: `${body.id}-r1`, redriveOf: body.id, status: 'queued' });
    expect((await req(bus, `retry.fails.${body.id}`)).body.id).toBe(again.body.id);
    await ended('fails', again.body.id);
  });

  test('counts a group', async () => {
    const group = crypto.randomUUID();
    const submit = async (type: string, headers = {}) =>
      (await req(bus, `submit.${type}`, {}, { 'Troupe-Group': group, ...headers })).body;
    const done = await submit('echo');
    const failing = await submit('fails');
    await submit('echo', { 'Troupe-Delay': '1h' });
    await ended('echo', done.id);
    await ended('fails', failing.id);
    await expect
      .poll(async () => (await req(bus, `counts.${group}`)).body)
      .toMatchObject({ group, total: 3, queued: 1, running: 0, completed: 1, dead: 1, failed: 0 });
  });

  test('leaves out an output that is too large for one message, and says so', async () => {
    const { body } = await req(bus, 'submit.large', {});
    const end = await ended('large', body.id);
    expect(end).toMatchObject({ status: 'completed', outputBytes: 2_000_002 });
    expect(end.output).toBeUndefined();
  });

  test('says how to get an output that is not in the record', async () => {
    const { body } = await req(bus, 'submit.large', {}, { 'Troupe-Id': 'no record' });
    const { next } = await ended('large', encodeId(body.id));
    const again = await req(bus, 'submit.large', {}, { 'Troupe-Id': 'no record' });
    expect(again.body).toMatchObject({ duplicate: true, next });
    const [record, get, ...more] = next;
    expect([record, more]).toEqual([`nats kv get tasks large.${encodeId('no record')} --raw`, []]);
    const [, bucketName = '', name = ''] = /^nats object get (\S+) (\S+)$/.exec(get) ?? [];
    const nc = await connect({ servers: world.url });
    onTestFinished(() => nc.close());
    const store = await new Objm(nc).open(bucketName);
    expect(new TextDecoder().decode((await store.getBlob(name)) ?? undefined)).toBe(`"${'x'.repeat(2_000_000)}"`);
  });

  test('is there for `nats micro`, with its numbers', async () => {
    const info = (await req(bus, '$SRV.INFO.ingress')).body;
    expect(info).toMatchObject({ name: 'ingress', version: '1.2.3', metadata: { node: 'n1', region: 'main' } });
    expect(info.endpoints.map(({ name }: { name: string }) => name)).toEqual([
      'submit',
      'get',
      'await',
      'why',
      'cancel',
      'retry',
      'counts',
    ]);
    const before = (await req(bus, '$SRV.STATS.ingress')).body.endpoints[0];
    await refused(bus, 'submit.echo', '{');
    const after = (await req(bus, '$SRV.STATS.ingress')).body.endpoints[0];
    expect(after.num_errors).toBe(before.num_errors + 1);
    expect(after.last_error).toMatch(/^400:/);
  });

  test('answers for a task as another node that joins', async () => {
    const other = await world.startNode('n2');
    const { body } = await req(bus, 'submit.echo', {});
    for (let index = 0; index < 10; index++)
      expect(await ended('echo', body.id)).toMatchObject({ status: 'completed' });
    await other.stop();
    expect(await ended('echo', body.id)).toMatchObject({ status: 'completed' });
  });

  test('keeps submitters out while the gate is closed', async () => {
    const gates = bucket(world.node.queue, 'gates');
    const until = world.node.queue.now() + 60_000;
    await gates.put('projection', new TextEncoder().encode(JSON.stringify({ until })));
    await expect
      .poll(() => refused(bus, 'submit.echo', {}))
      .toMatchObject({ status: 429, code: 'overloaded', retryAfterMs: expect.any(Number) });
    const client = await world.client();
    await expect(client.submit('echo', {})).rejects.toMatchObject({ code: 'overloaded' });
    await gates.put('projection', new TextEncoder().encode('not for reading'));
    await expect.poll(() => refused(bus, 'submit.echo', {})).toMatchObject({ status: 0 });
  });
});

const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);
const latin = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));

describe('what cannot be a task is answered with its reason, counted, and logged without a byte of it', () => {
  const secret = 'xyzzy-4711';

  test.each([
    ['no JSON', `{"text":"${secret}`, 400, 'invalid_input', 'invalid_json'],
    ['nothing', '', 400, 'invalid_input', 'invalid_json'],
    ['a byte order mark', `\ufeff{"text":"${secret}"}`, 400, 'invalid_input', 'invalid_json'],
    ['NaN', `{"n":NaN,"text":"${secret}"}`, 400, 'invalid_input', 'invalid_json'],
    ['no UTF-8', latin(`{"text":"${secret}\xff"}`), 400, 'invalid_input', 'invalid_json'],
    ['half a surrogate pair', `{"text":"${secret}\\ud800"}`, 400, 'invalid_input', 'unsafe_text'],
    ['a null character', `{"text":"${secret}\\u0000"}`, 400, 'invalid_input', 'unsafe_text'],
    ['300 KB', JSON.stringify({ text: secret.repeat(30_000) }), 413, 'payload_too_large', 'payload_too_large'],
    ['50,000 levels', deep(50_000), 400, 'invalid_input', 'too_deep'],
    ['120,000 values', `[${'1,'.repeat(120_000)}1]`, 400, 'invalid_input', 'too_many_values'],
    ['__proto__', `{"text":"${secret}","__proto__":{"admin":true}}`, 400, 'invalid_input', 'forbidden_key'],
    [
      'constructor',
      `{"a":[{"constructor":{"prototype":{}}}],"text":"${secret}"}`,
      400,
      'invalid_input',
      'forbidden_key',
    ],
    ['a number that rounds', `{"n":9007199254740993,"text":"${secret}"}`, 400, 'invalid_input', 'unsafe_number'],
    ['a number out of bounds', `{"n":1e400,"text":"${secret}"}`, 400, 'invalid_input', 'unsafe_number'],
    ['what the schema refuses', `{"text":${deep(3)},"n":"${secret}"}`, 400, 'invalid_input', 'invalid_input'],
  ])('%s', async (_what, body, status, code, reason) => {
    const before = await counted(reason);
    const answer = await refused(bus, 'submit.echo', body);
    expect(answer).toMatchObject({ status, code, message: expect.any(String) });
    expect(answer.reason ?? code).toBe(reason);
    expect(await counted(reason)).toBe(before + 1);
    expect(world.lines).toHaveLength(1);
    const [line = ''] = world.lines;
    expect(line.length).toBeLessThan(1_024);
    expect(line).not.toContain(secret);
    expect(JSON.parse(line)).toMatchObject({
      door: 'submit',
      type: 'echo',
      code,
      reason,
      inputHash: expect.stringMatching(/^[0-9a-f]{16}$/),
    });
  });

  test.each([
    ['a lane there is not', { 'Troupe-Lane': 'urgent' }, 'invalid_header'],
    ['a deadline that is none', { 'Troupe-Deadline': 'soon' }, 'invalid_header'],
    ['a negative delay', { 'Troupe-Delay': '-1s' }, 'invalid_header'],
    ['a delay of centuries', { 'Troupe-Delay': '1000000d' }, 'invalid_header'],
    ['a date after all timers', { 'Troupe-At': '2300-01-01T00:00:00Z' }, 'invalid_header'],
    ['a date that is none', { 'Troupe-At': '2027-13-45T99:00:00Z' }, 'invalid_header'],
    ['an empty key', { 'Troupe-Key': '' }, 'invalid_header'],
    ['a group of 65 characters', { 'Troupe-Group': 'g'.repeat(65) }, 'invalid_header'],
    ['headers of 9 KB', { 'X-Large': 'x'.repeat(9_000) }, 'invalid_header'],
    ['an id of 513 bytes', { 'Troupe-Id': 'i'.repeat(513) }, 'invalid_name'],
    ['an empty id', { 'Troupe-Id': '' }, 'invalid_name'],
  ])('%s', async (_what, headers, reason) => {
    const before = await counted(reason);
    const answer = await refused(bus, 'submit.echo', {}, headers);
    expect(answer).toMatchObject({ status: 400 });
    expect(answer.reason ?? answer.code).toBe(reason);
    expect(await counted(reason)).toBe(before + 1);
    expect(world.lines.join('')).not.toContain(Object.values(headers)[0] || 'nothing');
  });

  test.each([
    ['submit.nobody', 'unknown_task'],
    ['submit.ecko', 'unknown_task'],
    ['submit.a$b', 'invalid_name'],
    [`submit.${'t'.repeat(65)}`, 'invalid_name'],
    ['submit.$JS', 'invalid_name'],
    ['submit.echo.STREAM.DELETE.X', 'invalid_input'],
    [`get.echo.${'i'.repeat(513)}`, 'invalid_name'],
    ['get.echo', 'invalid_name'],
    ['get.e{}o.a', 'invalid_name'],
    ['get.echo.=', 'invalid_name'],
    [`cancel.echo.=${Buffer.from('a'.repeat(513)).toString('base64url')}`, 'invalid_name'],
    [`counts.${'g'.repeat(600)}`, 'invalid_name'],
  ])('the subject %s', async (subject, code) => {
    expect(await refused(bus, subject, {})).toMatchObject({ code });
  });

  test.each([
    ['await', { timeout: -1 }, 'invalid_duration'],
    ['await', { timeout: '11m' }, 'invalid_duration'],
    ['await', { timeout: 1e12 }, 'invalid_duration'],
    ['await', { timeout: 'soon' }, 'invalid_duration'],
    ['await', { timout: '1s' }, 'invalid_input'],
    ['await', '{"timeout"', 'invalid_input'],
    ['cancel', { reason: 'r'.repeat(501) }, 'invalid_input'],
    ['cancel', [], 'invalid_input'],
  ])('%s with %j', async (verb, body, code) => {
    const { body: task } = await req(bus, 'submit.echo', {});
    expect(await refused(bus, `${verb}.echo.${task.id}`, body)).toMatchObject({ status: 400, code });
  });

  test.each(['get', 'why', 'await', 'cancel', 'retry'])('%s of a task that nobody knows', async (verb) => {
    expect(await refused(bus, `${verb}.echo.nobody`)).toMatchObject({ status: 404, code: 'not_found' });
    expect(world.lines).toEqual([]);
  });

  test('an id that is taken by another input', async () => {
    const id = { 'Troupe-Id': crypto.randomUUID() };
    await req(bus, 'submit.echo', { text: 'one', n: 1 }, id);
    expect(await refused(bus, 'submit.echo', { n: 1, text: 'one' }, id)).toMatchObject({ status: 0 });
    expect((await req(bus, 'submit.echo', { text: 'one', n: 1 }, id)).body).toMatchObject({ duplicate: true });
    expect(await refused(bus, 'submit.echo', { text: 'two' }, id)).toMatchObject({ status: 409, code: 'id_conflict' });
  });
});

describe('what only looks dangerous is taken as it is', () => {
  test('duplicate keys, -0, tiny numbers, SQL and control characters in text', async () => {
    const text = '\'; DROP TABLE tasks;-- % \\ $1 \u001b[31m \n {"level":60} ${x}';
    const { body } = await req(
      bus,
      'submit.anything',
      `{"a":1,"a":2,"z":-0,"t":1e-400,"text":${JSON.stringify(text)}}`,
    );
    const end = await ended('anything', body.id);
    expect(end.output).toMatchObject({ a: 2, text });
  });

  test('headers that would steer the server do not', async () => {
    const id = crypto.randomUUID();
    const steering = {
      'Nats-Msg-Id': id,
      'Nats-Rollup': 'all',
      'Nats-TTL': '1s',
      'Nats-Expected-Last-Sequence': '0',
      'Nats-Expected-Stream': 'OTHER',
      'Nats-Schedule': '@every 1s',
      'Nats-Schedule-Target': 'work.main.default.normal.0.echo.x',
      'Troupe-Hash': 'forged',
      'Troupe-Resume': '7',
      'Troupe-Submitted': '0',
      'Troupe-Redrive-Of': 'another',
      'nats-rollup': 'sub',
    };
    const waiting = (await req(bus, 'submit.echo', {}, { 'Troupe-Delay': '1h' })).body;
    const { body } = await req(bus, 'submit.echo', { text: 'mine' }, steering);
    expect(body).toMatchObject({ id, duplicate: false });
    expect(await ended('echo', id)).toMatchObject({ status: 'completed', output: { text: 'mine' } });
    expect((await req(bus, `get.echo.${waiting.id}`)).body).toMatchObject({ status: 'queued' });
  });

  test.each([
    '..',
    'a..b',
    '.a',
    'a*',
    '*',
    '>',
    '$JS.API.STREAM.DELETE.KV_tasks',
    '_INBOX.x',
    'a b\tc',
    '=',
    '=YQ',
    'ü😀',
    '../../etc/passwd',
    '<img onerror=alert(1)>',
    '__proto__',
    'i'.repeat(512),
  ])('the id %s', async (id) => {
    const { body } = await req(bus, 'submit.anything', { id }, { 'Troupe-Id': id });
    expect(body).toMatchObject({ id, duplicate: false });
    expect(await ended('anything', encodeId(id))).toMatchObject({ id, status: 'completed', output: { id } });
    expect((await world.node.queue.streamInfo('KV_tasks')).messages).toBeGreaterThan(0);
  });

  test('an id in the payload is payload', async () => {
    const { body } = await req(bus, 'submit.anything', '{"id":1,"id":2}', {
      'Troupe-Id': `own-${crypto.randomUUID()}`,
    });
    expect(body.id).toMatch(/^own-/);
  });
});

const counted = async (reason: string): Promise<number> => {
  const line = (await world.metrics.text())
    .split('\n')
    .find((each) => each.startsWith(`troupe_bad_input_total{reason="${reason}"}`));
  return Number(line?.split(' ')[1] ?? 0);
};
