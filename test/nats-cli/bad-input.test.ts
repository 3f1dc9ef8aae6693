/**
 * Whatever anybody can put on a subject, in a header, under a key or on a timer: nothing crashes, comes back for ever or
 * is lost without a word. Each gets its dead letter or its answer, one count, and one line in the log that shows none of
 * it.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { publishRaw } from './raw.ts';
import { type Answer, type Headers, type Letter, startWorld, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.stop());

/** In much of what is sent, so that it can be looked for. */
const marker = 'x-marks-the-spot';
const note = (text: string): string => JSON.stringify({ text, note: marker });
const good = note('good');
const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);

const counts = async (name = 'bad_input'): Promise<Readonly<Record<string, number>>> => {
  const found = (await world.metrics.text()).matchAll(new RegExp(`^troupe_${name}_total\\{.*"(.*)"\\} (\\d+)$`, 'gm'));
  return Object.fromEntries([...found].map(([, label = '', value]) => [label, Number(value)]));
};

interface Accounted {
  readonly reason: string;
  /** Of the metric, between `troupe_` and `_total`. */
  readonly metric?: string;
}

/** Holds what `act` does to its one count and its one line. */
const accounted = async <T>({ reason, metric }: Accounted, act: () => Promise<T>): Promise<T> => {
  const from = world.lines.length;
  const before = await counts(metric);
  const result = await act();
  await expect.poll(() => world.lines.length, { interval: 5 }).toBeGreaterThan(from);
  const [line = '', ...more] = world.lines.slice(from);
  expect(more).toEqual([]);
  expect(line.length).toBeLessThanOrEqual(1_024);
  expect(line).not.toContain(marker);
  expect(JSON.parse(line)).toMatchObject({ level: 'warn' });
  expect({ line, counts: await counts(metric) }).toEqual({
    line,
    counts: { ...before, [reason]: (before[reason] ?? 0) + 1 },
  });
  return result;
};

/** The dead letter that follows. */
const letterOf = (reason: string, act: () => Promise<unknown>, metric?: string): Promise<Letter> =>
  accounted({ reason, ...(metric && { metric }) }, async () => {
    const from = world.letters.items.length;
    await act();
    const [letter] = (await world.letters.count(from + 1)).slice(from);
    if (!letter) throw new Error('a letter was counted, and is not there');
    return letter;
  });

/** The refusal that a door answers with. */
const refusalOf = (reason: string, act: () => Promise<Answer>): Promise<Answer> => accounted({ reason }, act);

let made = 0;
const newId = (): string => `id-${(made += 1)}`;

const completes = async (id: string, act: () => Promise<unknown>, type = 'summarise'): Promise<Answer> => {
  const ended = world.sub(`results.${type}.${id}`);
  await world.nc.flush();
  await act();
  const [message] = await ended.count(1);
  return message?.json<Answer>() ?? { id, type, status: 'unheard of', next: [] };
};

describe.each<readonly [string, string | Uint8Array, string]>([
  ['an empty body', '', 'invalid_json'],
  ['half of one', `{"text":"${marker}`, 'invalid_json'],
  ['no JSON', marker, 'invalid_json'],
  ['a byte order mark', `\uFEFF${good}`, 'invalid_json'],
  ['NaN', '{"text":NaN}', 'invalid_json'],
  ['no UTF-8', Uint8Array.of(0x22, 0xff, 0xfe, 0x22), 'invalid_json'],
  ['zeros, which JSON writes at six times the length', new Uint8Array(250_000), 'invalid_json'],
  ['half a surrogate pair', '{"text":"\\ud800"}', 'unsafe_text'],
  ['U+0000', '{"text":"\\u0000"}', 'unsafe_text'],
  ['more than is taken', note('x'.repeat(300_000)), 'payload_too_large'],
  ['more than is taken, of zeros', new Uint8Array(400_000), 'payload_too_large'],
  ['fifty thousand levels', deep(50_000), 'too_deep'],
  ['levels that never end', '['.repeat(250_000), 'too_deep'],
  ['110,000 values', `[${'1,'.repeat(110_000)}1]`, 'too_many_values'],
  ['__proto__', '{"text":"a","__proto__":{"admin":true}}', 'forbidden_key'],
  ['constructor, further down', '{"text":"a","b":[{"constructor":1}]}', 'forbidden_key'],
  ['a number that rounds', '{"text":"a","n":9007199254740993}', 'unsafe_number'],
  ['a number without end', '{"text":"a","n":1e400}', 'unsafe_number'],
  ['what the schema refuses', note(''), 'invalid_input'],
  ['another type than the schema’s', '[]', 'invalid_input'],
])('an input of %s', (_name, payload, reason) => {
  const dead = reason === 'invalid_input' ? reason : 'invalid_json';

  test('published as a task is a dead letter', async () => {
    const id = newId();
    const headers = { 'Troupe-Id': id };
    const letter = await letterOf(reason, () => world.pub('tasks.summarise', payload, headers));
    expect(letter.subject).toBe(`dlq.ingress.${dead}.summarise.${id}`);
    expect(await world.record(`summarise.${id}`)).toMatchObject({ status: 'dead', error: { code: reason } });
  });

  test('is refused at the door', async () => {
    const { code, error } = await refusalOf(reason, () => world.req('submit.summarise', payload));
    expect(code).toBe(reason === 'payload_too_large' ? 413 : 400);
    expect(error?.reason ?? error?.code).toBe(reason);
  });

  test('published into a pool is a dead letter', async () => {
    const id = newId();
    const letter = await letterOf(reason, () => world.pub(`work.main.default.normal.0.summarise.${id}`, payload));
    expect(letter.subject).toBe(`dlq.default.${dead}.summarise.${id}`);
  });

  test('published as due is a dead letter', async () => {
    const id = newId();
    const letter = await letterOf(reason, () => world.pub(`due.task.main.default.low.0.summarise.${id}`, payload));
    const own = `dlq.default.${dead}.summarise.${id}`;
    expect(letter.subject).toMatch(
      reason === 'payload_too_large' ? 'dlq.unknown.payload_too_large.unknown.SCHED-' : own,
    );
  });
});

test('what the inbox does not take the server refuses, and it hangs up on what no message takes', async () => {
  await expect(world.pub('tasks.summarise', new Uint8Array(600_000))).rejects.toThrow(/maximum/);
  for (const subject of ['tasks.summarise', 'submit.summarise'])
    expect(await publishRaw(world.url, { subject, payload: new Uint8Array(2_000_000) })).not.toContain('PONG');
});

describe.each<readonly [string, Headers, string]>([
  ['a lane that is none', { 'Troupe-Lane': marker }, 'invalid_header'],
  ['a delay in words', { 'Troupe-Delay': marker }, 'invalid_header'],
  ['a delay below nothing', { 'Troupe-Delay': '-1s' }, 'invalid_header'],
  ['a delay beyond what timers hold', { 'Troupe-Delay': '1000000000000' }, 'invalid_header'],
  ['a deadline of two years', { 'Troupe-Deadline': '730d' }, 'invalid_header'],
  ['a date without its zone', { 'Troupe-At': '2027-01-01T00:00:00' }, 'invalid_header'],
  ['a date that no timer knows', { 'Troupe-At': '9999-12-31T00:00:00Z' }, 'invalid_header'],
  ['a date and a delay', { 'Troupe-At': '2027-01-01T00:00:00Z', 'Troupe-Delay': '1s' }, 'invalid_header'],
  ['a key of no characters', { 'Troupe-Key': '' }, 'invalid_header'],
  ['a long tenant', { 'Troupe-Tenant': marker.repeat(20) }, 'invalid_header'],
  ['a slip in a name', { 'Troupe-Dealy': '10m' }, 'invalid_header'],
  ['a name in another case', { 'troupe-id': marker }, 'invalid_header'],
  ['9 KB', { Note: marker.repeat(600) }, 'invalid_header'],
  ['an id of no characters', { 'Troupe-Id': '' }, 'invalid_name'],
  ['an id of 513 bytes', { 'Troupe-Id': 'é'.repeat(257) }, 'invalid_name'],
])('headers with %s', (_name, headers, reason) => {
  test('make a task a dead letter', async () => {
    const letter = await letterOf(reason, () => world.pub('tasks.summarise', good, headers));
    expect(letter).toMatchObject({ reason, input: good });
  });

  test('are refused at the door', async () => {
    expect(await refusalOf(reason, () => world.req('submit.summarise', good, headers))).toMatchObject({ code: 400 });
  });
});

describe.each([
  ['a name with a space', 'my note: a'],
  ['a name beyond ASCII', 'ключ: a'],
  ['a line feed in a value', 'Note: a\nNats-Rollup: all'],
  ['a carriage return in a value', 'Note: a\rNats-Rollup: all'],
  ['U+0000 in an id', 'Troupe-Id: a\0b'],
])('headers by hand, with %s', (_name, headers) => {
  test('make a task a dead letter', async () => {
    const subject = 'tasks.summarise';
    const letter = await letterOf('invalid_header', () => publishRaw(world.url, { subject, headers, payload: good }));
    expect(letter).toMatchObject({ reason: 'invalid_header', input: good });
  });

  test('do not keep a task in a pool from its end', async () => {
    const id = newId();
    const subject = `work.main.default.normal.0.charge.${id}`;
    const payload = JSON.stringify({ card: '4242', cents: 1 });
    const letter = await letterOf(
      'exhausted',
      () => publishRaw(world.url, { subject, headers, payload }),
      'dead_letters',
    );
    expect(letter.subject).toBe(`dlq.default.exhausted.charge.${id}`);
  });
});

test('orders to the server, and words of our own, do nothing in a submitter’s headers', async () => {
  const forged = {
    'Troupe-Resume': '7',
    'Troupe-Depth': '100',
    'Troupe-Hash': 'x',
    'Troupe-Nonce': 'x',
    'Troupe-Submitted': '0',
    'Troupe-Parent': 'charge.1',
    'Troupe-Redrive-Of': '1',
  };
  const orders = {
    'Nats-Rollup': 'all',
    'Nats-TTL': '1s',
    'Nats-Expected-Last-Sequence': '99',
    'Nats-Schedule': '@every 1s',
    'Nats-Schedule-Target': 'tasks.charge',
  };
  const [one, two] = [newId(), newId()];
  const published = await completes(one, () => world.pub('tasks.summarise', good, { ...forged, 'Troupe-Id': one }));
  const submitted = await completes(two, () =>
    world.req('submit.summarise', good, { ...forged, ...orders, 'Troupe-Id': two }),
  );
  for (const record of [published, submitted]) {
    expect(record).toMatchObject({ status: 'completed', attempt: 1, inputHash: expect.stringMatching(/^.{27}$/) });
    expect(record).not.toHaveProperty('parent');
    expect(record).not.toHaveProperty('redriveOf');
  }
  for (const [name, value] of Object.entries(orders).filter(([header]) => header !== 'Nats-Schedule-Target'))
    await expect(world.pub('tasks.summarise', good, { [name]: value })).rejects.toThrow();
});

describe.each<readonly [string, string, string]>([
  ['a.b', 'invalid_name', 'invalid_input'],
  ['*', 'invalid_name', 'invalid_name'],
  ['>', 'invalid_name', 'invalid_name'],
  ['ключ', 'invalid_name', 'invalid_name'],
  ['$JS.API.STREAM.DELETE.INBOX', 'invalid_name', 'invalid_input'],
  [marker.repeat(200), 'invalid_name', 'invalid_name'],
  ['nosuch', 'unknown_task', 'unknown_task'],
  ['__proto__', 'unknown_task', 'unknown_task'],
  ['constructor', 'unknown_task', 'unknown_task'],
])('a task called %s', (type, dead, refused) => {
  test('is a dead letter', async () => {
    const letter = await letterOf(dead, () => publishRaw(world.url, { subject: `tasks.${type}`, payload: good }));
    expect(letter).toMatchObject({ reason: dead, input: good });
  });

  test('is refused at the door', async () => {
    const answer = await refusalOf(refused, () => world.req(`submit.${type}`, good));
    expect(answer.code).toBe(refused === 'unknown_task' ? 404 : 400);
  });
});

describe('an id', () => {
  test.each([
    'a.b',
    'a b',
    '*',
    '>',
    '..',
    '../../etc/passwd',
    "'; DROP TABLE tasks; --",
    '%',
    '=YQ',
    'Ключ №1',
    '😀'.repeat(128),
  ])('%s names its task wherever it is', async (id) => {
    const key = `summarise.=${Buffer.from(id).toString('base64url')}`;
    const ended = world.sub(`results.${key}`);
    await world.pub('tasks.summarise', good, { 'Troupe-Id': id });
    await ended.count(1);
    expect(await world.record(key)).toMatchObject({ id, status: 'completed' });
    expect(await world.req(`get.${key}`)).toMatchObject({ id, status: 'completed' });
    expect(await world.req('submit.summarise', good, { 'Troupe-Id': id })).toMatchObject({ id, duplicate: true });
  });

  test('that was used for the same input is the same task, whichever door it comes by', async () => {
    const id = newId();
    const headers = { 'Troupe-Id': id };
    const record = await completes(id, () => world.pub('tasks.summarise', good, headers));
    expect(await world.req('submit.summarise', `{"note":"${marker}","text":"good"}`, headers)).toMatchObject({
      id,
      status: 'completed',
      duplicate: true,
    });
    await world.pub('tasks.summarise', good, headers);
    await expect.poll(() => world.subjects('INBOX')).toEqual([]);
    expect(await world.record(`summarise.${id}`)).toEqual(record);
  });

  test('that was used for another input is refused at the door, and in the inbox a dead letter each time', async () => {
    const id = newId();
    const headers = { 'Troupe-Id': id };
    const record = await completes(id, () => world.pub('tasks.summarise', good, headers));
    for (const text of ['other', 'third']) {
      const letter = await letterOf('id_conflict', () => world.pub('tasks.summarise', note(text), headers));
      expect(letter).toMatchObject({ reason: 'id_conflict', input: note(text), headers });
      expect(letter.id).not.toBe(id);
    }
    const answer = await refusalOf('id_conflict', () => world.req('submit.summarise', note('fourth'), headers));
    expect(answer.code).toBe(409);
    expect(await world.record(`summarise.${id}`)).toEqual(record);
  });

  test('of a task that waits is not taken from it by a message that cannot run', async () => {
    const id = newId();
    const delayed = { 'Troupe-Id': id, 'Troupe-Delay': '1h' };
    await world.req('submit.summarise', good, delayed);
    const letter = await letterOf('invalid_json', () => world.pub('tasks.summarise', marker, { 'Troupe-Id': id }));
    expect(letter.id).not.toBe(id);
    expect(await world.req(`get.summarise.${id}`)).toMatchObject({ status: 'queued', waitingFor: { reason: 'due' } });
    expect(await world.req(`cancel.summarise.${id}`)).toMatchObject({ cancelled: true });
  });

  test('given as Nats-Msg-Id is one for each type', async () => {
    const id = newId();
    const headers = { 'Nats-Msg-Id': id };
    await completes(id, () => world.pub('tasks.summarise', good, headers));
    // The server takes a message id once in a short while, whatever its subject.
    await expect.poll(async () => (await world.pub('tasks.lookup', '{"host":"a"}', headers)).duplicate).toBe(false);
    await expect.poll(() => world.record(`lookup.${id}`)).toMatchObject({ status: 'completed' });
  });
});

describe('published into a pool by hand', () => {
  test.each([
    'work.main.default.normal.0.summarise',
    'work.main.default.normal.0.summarise.a.b',
    'work.main.default.normal.zz.summarise.a',
    'work.main.default.normal.0.ключ.a',
    'work.main.default.normal.0.summarise.a/b',
    'work.main.default.normal.0.summarise.=@@',
    'work.main.default.normal.0.summarise.*',
    `work.main.default.normal.0.summarise.${marker.repeat(200)}`,
  ])('%s is a dead letter', async (subject) => {
    const letter = await letterOf('invalid_name', () => publishRaw(world.url, { subject, payload: good }));
    expect(letter).toMatchObject({ reason: 'invalid_name', input: good });
  });

  test.each(['work.main.default.urgent.0.summarise.a', 'work.main.nosuch.normal.0.summarise.a', 'work.x'])(
    '%s is nobody’s, and the publisher is told',
    async (subject) => {
      await expect(world.pub(subject, good)).rejects.toThrow();
    },
  );

  test('a task that there is not goes back for a node that has it, says so, and can be cancelled', async () => {
    await world.pub('work.main.default.normal.0.nosuch.a', good);
    await expect
      .poll(() => world.req('get.nosuch.a', ''))
      .toMatchObject({ status: 'waiting', error: { code: 'unknown_task' } });
    expect(await world.req('cancel.nosuch.a', '')).toMatchObject({ status: 'cancelled', cancelled: true });
    await expect.poll(() => world.subjects('WORK_default'), { timeout: 10_000 }).toEqual([]);
  });

  test('a task that there is runs, and is known by its input', async () => {
    const id = newId();
    await completes(id, () => world.pub(`work.main.default.normal.0.summarise.${id}`, good));
    expect(await world.req('submit.summarise', good, { 'Troupe-Id': id })).toMatchObject({ duplicate: true });
  });
});

describe('published as due by hand', () => {
  test.each([
    ['due.x', 'invalid_name'],
    ['due.task.x', 'invalid_name'],
    ['due.task.main.ключ.normal.0.summarise.a', 'invalid_name'],
    ['due.task.main.default.urgent.0.summarise.a', 'invalid_name'],
    ['due.task.ключ.default.normal.0.summarise.a', 'invalid_name'],
    ['due.task.main.nosuch.normal.0.summarise.a', 'unknown_pool'],
    ['due.cron.x', 'invalid_name'],
    ['due.cron.a.b', 'invalid_name'],
    [`due.${marker.repeat(200)}`, 'invalid_name'],
  ])('%s is a dead letter', async (subject, reason) => {
    const letter = await letterOf(reason, () => publishRaw(world.url, { subject, payload: good }));
    expect(letter).toMatchObject({ reason, input: good, error: { message: expect.stringContaining(subject) } });
  });
});

test('what is no timer makes way for a task’s own, and is a dead letter then', async () => {
  const id = newId();
  await world.pub(`sched.task.summarise.${id}.0`, marker);
  const letter = await letterOf('no_timer', () =>
    world.req('submit.summarise', good, { 'Troupe-Id': id, 'Troupe-Delay': '1h' }),
  );
  expect(letter).toMatchObject({ reason: 'no_timer', input: marker });
  expect(await world.req(`get.summarise.${id}`)).toMatchObject({ waitingFor: { until: expect.any(String) } });
  expect(await world.req(`cancel.summarise.${id}`)).toMatchObject({ cancelled: true });
});

describe('written under a key by hand', () => {
  test.each(['lonely', 'a.b.c', 'ключ.x', `summarise.${'x'.repeat(3_900)}`, `summarise.${'x'.repeat(4_050)}`])(
    '%s is told, and does not hold up the history',
    async (key) => {
      const letter = await letterOf(
        'garbage',
        () => publishRaw(world.url, { subject: `$KV.tasks.${key}`, payload: marker }),
        'projection_refused',
      );
      expect(letter).toMatchObject({ reason: 'refused', record: marker });
    },
  );

  test('a record that is none is written over by its task', async () => {
    const id = newId();
    await letterOf('garbage', () => world.pub(`$KV.tasks.summarise.${id}`, marker), 'projection_refused');
    const record = await completes(id, () => world.req('submit.summarise', good, { 'Troupe-Id': id }));
    expect(record).toMatchObject({ status: 'completed', steps: [{ name: 'count' }, { name: 'title' }] });
  });

  test('a gate that nobody can read keeps nobody out', async () => {
    for (const value of [marker, '{"until":"never"}', '{}']) await world.pub('$KV.gates.projection', value);
    expect(await world.req('submit.summarise', good)).toMatchObject({ status: 'queued' });
  });
});

describe('a request', () => {
  test.each([
    '$KV.tasks.summarise.victim',
    '$JS.API.STREAM.PURGE.WORK_default',
    'tasks.summarise',
    'dlq.x',
    `inbox.${'x'.repeat(4_000)}`,
  ])('that wants its answer on %s gets none', async (reply) => {
    const heard = world.sub(reply);
    await accounted({ reason: 'invalid_name' }, () =>
      publishRaw(world.url, { subject: 'submit.summarise', reply, payload: good }),
    );
    await world.req('submit.summarise', good);
    expect(heard.items).toEqual([]);
  });

  test.each([
    ['get.summarise', 400],
    ['get.ключ.a', 400],
    [`get.summarise.${marker.repeat(200)}`, 400],
    ['await.summarise.nothing', 404],
    ['cancel.summarise.nothing', 404],
    ['retry.summarise.nothing', 404],
    ['why.summarise.=@@@', 400],
  ])('%s is answered with what is wrong', async (subject, code) => {
    expect(await world.req(subject, subject.startsWith('await') ? '{"timeout":"10ms"}' : '')).toMatchObject({ code });
  });

  test.each(['[]', '{"timeout":"soon"}', '{"timeout":"1d"}', '{"patience":1}', marker])(
    'with the options %s is refused',
    async (options) => {
      expect(await world.req('await.summarise.a', options)).toMatchObject({ code: 400 });
    },
  );
});

test('after all that nothing is stuck, nothing was restarted, and a task runs', async () => {
  await completes(newId(), () => world.pub('tasks.summarise', good, { 'Troupe-Id': `id-${made}` }));
  for (const stream of ['INBOX', 'WORK_default', 'WORK_studio'])
    await expect.poll(() => world.subjects(stream)).toEqual([]);
  expect(await world.subjects('SCHED')).toEqual(['sched.cron.nightly']);
  expect(await counts('restarts')).toEqual({});
  expect(world.lines.filter((line) => line.includes('"error"') && !line.includes('"level":"warn"'))).toEqual([]);
});
