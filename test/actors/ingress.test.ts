import { describe, expect, test } from 'vitest';
import { originOf } from '../../src/actors/doors-origin.ts';
import { cancelTask } from '../../src/task/cancel.ts';
import { readDeadLetter } from '../../src/task/dead-letter.ts';
import { findTask } from '../../src/task/find.ts';
import type { Inbox } from '../../src/task/inbox.ts';
import { madeId } from '../../src/task/made-id.ts';
import { decodeRecord } from '../../src/task/record.ts';
import { bytes } from '../task/world.ts';
import { ingressWorld } from './ingress-world.ts';

const mail = '{"to":"a"}';

describe('a task of the inbox', () => {
  test('goes into its pool with its headers, and has an id of the inbox where it has none', async () => {
    const { post, queue, left, clock, ports } = await ingressWorld();
    const id = await post('mail', mail, {
      'Troupe-Lane': 'high',
      'Troupe-Tenant': 'acme',
      Trace: '1',
      'Nats-TTL': '1s',
    });
    expect(await ports.metrics.text()).toContain('troupe_submitted_total{type="mail"} 1');
    const stored = await queue.last('WORK_default', 'work.>');
    expect(stored?.subject).toBe(`work.main.default.high.0.mail.${id}`);
    expect(stored?.headers).toMatchObject({ 'Troupe-Tenant': 'acme', Trace: '1' });
    expect(stored?.headers['Troupe-Submitted']).toBe(String(clock.wall()));
    expect(stored?.headers['Nats-TTL']).toBeUndefined();
    expect(await left('INBOX')).toBe(0);
  });

  test('has the id that its submitter, or its own policy, gives it', async () => {
    const { post, queue } = await ingressWorld();
    await post('mail', mail, { 'Nats-Msg-Id': 'a b' });
    await post('note', '1');
    expect([...(await queue.subjects('WORK_default', '>')).keys()]).toEqual(['work.main.default.normal.0.mail.=YSBi']);
    expect([...(await queue.subjects('WORK_slow', '>')).keys()]).toEqual(['work.main.slow.low.0.note.one']);
  });

  test('is another one than the task of the same number in an inbox that was deleted and made anew meanwhile', async () => {
    const { post, inbox, next, letters, queue, bus, eventually, clock } = await ingressWorld();
    await post('mail', mail);
    bus.publish('tasks.mail', Buffer.from('{"to":"b"}'));
    const delivery = await eventually(next('INBOX', 'ingress'));
    await clock.advance(1);
    await inbox({ ...delivery, seq: 1, at: clock.wall() });
    expect([(await queue.subjects('WORK_default', '>')).size, await letters()]).toEqual([2, []]);
  });

  test('counts its delay and its deadline from when the inbox took it', async () => {
    const { inbox, next, queue, clock } = await ingressWorld();
    const at = clock.wall();
    await queue.publish('tasks.mail', Buffer.from(mail));
    await queue.publish('tasks.mail', Buffer.from(mail), { headers: { 'Troupe-Delay': '1h' } });
    await clock.advance(600_000);
    for (const _ of [1, 2]) await inbox(await next('INBOX', 'ingress'));
    const work = await queue.last('WORK_default', 'work.>');
    expect(work?.headers['Troupe-Deadline']).toBe(new Date(at + 3_600_000).toISOString());
    const sched = await queue.last('SCHED', 'sched.>');
    expect(sched?.headers['Nats-Schedule']).toBe(`@at ${new Date(at + 3_600_000).toISOString()}`);
    expect(sched?.headers['Troupe-Deadline']).toBe(new Date(at + 7_200_000).toISOString());
  });

  test('stays in the inbox while its pool takes no more', async () => {
    const { post, left, letters, queue } = await ingressWorld({ workBytes: 2_000 });
    for (let n = 0; n < 6; n += 1) await post('mail', JSON.stringify({ to: 'x'.repeat(400) }));
    const [inPool, inInbox] = [await left('WORK_default'), await left('INBOX')];
    expect(inPool).toBeGreaterThan(0);
    expect(inPool + inInbox).toBe(6);
    expect(await letters()).toEqual([]);
    await queue.purge('WORK_default', '>');
  });

  test('that is cancelled while it waits in the inbox never reaches its pool, whoever made its id', async () => {
    const { ports, inbox, next, left, queue, eventually, bus, clock } = await ingressWorld();
    for (const headers of [
      { 'Troupe-Id': 'a', 'Troupe-Tenant': 'acme', 'Troupe-Deadline': '1h', 'Troupe-Hash': 'x' },
      {},
    ])
      bus.publish('tasks.mail', bytes(mail), { headers });
    await clock.settle();
    const made = madeId((await queue.get('INBOX', 2)) ?? { at: 0, seq: 0 });
    for (const id of ['a', made]) {
      const status = await findTask(ports, `mail.${id}`);
      expect(status).toMatchObject({
        status: 'queued',
        pool: 'ingress',
        waitingFor: { reason: 'inbox', detail: expect.stringContaining('it waits in the inbox') },
      });
      if (!status) throw new Error('it is not found');
      const origin = await originOf(ports, status, `mail.${id}`);
      await eventually(cancelTask(ports, `mail.${id}`, origin, undefined));
      await eventually(inbox(await eventually(next('INBOX', 'ingress'))));
      await clock.settle();
    }
    const entry = await ports.records.get('mail.a');
    const deadline = new Date(clock.wall() + 3_600_000).toISOString();
    expect(entry && decodeRecord(entry.value)).toMatchObject({ status: 'cancelled', tenant: 'acme', deadline });
    expect([await left('INBOX'), await left('WORK_default'), await left('DLQ')]).toEqual([0, 0, 0]);
  });

  test('that leaves the inbox between the looks is found where it went', async () => {
    const { ports, post } = await ingressWorld();
    const passing: Inbox = {
      find: async () => {
        await post('mail', mail, { 'Troupe-Id': 'a' });
        return undefined;
      },
    };
    expect(await findTask({ ...ports, inbox: passing }, 'mail.a')).toMatchObject({ status: 'queued', pool: 'default' });
  });

  test('stays in the inbox while what remembers groups takes no more, and runs once', async () => {
    const { post, inbox, next, left, queue, eventually, clock } = await ingressWorld();
    const groups = { name: 'KV_groups', subjects: ['$KV.groups.>'], keep: 'last' } as const;
    await queue.ensureStream({ ...groups, maxBytes: 1 });
    await post('mail', mail, { 'Troupe-Group': 'g' });
    expect([await left('INBOX'), await left('WORK_default')]).toEqual([1, 0]);
    await queue.ensureStream({ ...groups, maxBytes: 1_000_000 });
    const again = await eventually(next('INBOX', 'ingress'));
    await inbox(again);
    await clock.settle();
    expect(again.deliveries).toBe(2);
    expect([await left('INBOX'), await left('WORK_default')]).toEqual([0, 1]);
  });

  test('handed out again after its ack was lost does not run again if it has ended meanwhile, whoever made its id', async () => {
    const { post, inbox, next, broker, left, eventually, ports } = await ingressWorld();
    broker.next('ack', 'lose', { subject: 'tasks.>' });
    const id = await post('mail', mail);
    const status = await findTask(ports, `mail.${id}`);
    if (!status) throw new Error('it is not found');
    await eventually(cancelTask(ports, `mail.${id}`, await originOf(ports, status, `mail.${id}`), undefined));
    await ports.queue.purge('WORK_default', '>');
    await inbox(await eventually(next('INBOX', 'ingress')));
    expect([await left('WORK_default'), await left('INBOX')]).toEqual([0, 0]);
  });

  test('handed out again after its ack was lost is the same task', async () => {
    const { post, inbox, next, broker, left, eventually } = await ingressWorld();
    broker.next('ack', 'lose', { subject: 'tasks.>' });
    await post('mail', mail, { 'Troupe-Id': 'a' });
    await inbox(await eventually(next('INBOX', 'ingress')));
    expect([await left('WORK_default'), await left('INBOX')]).toEqual([1, 0]);
  });
});

describe('what cannot run', () => {
  test.each<readonly [string, string, string | Uint8Array, Record<string, string>, string, string]>([
    ['no JSON', 'mail', '{', {}, 'invalid_json', 'invalid_json'],
    ['nothing', 'mail', '', {}, 'invalid_json', 'invalid_json'],
    ['no UTF-8', 'mail', Uint8Array.of(0x22, 0xff, 0x22), {}, 'invalid_json', 'invalid_json'],
    ['a forbidden key', 'mail', '{"__proto__":1}', {}, 'invalid_json', 'forbidden_key'],
    ['too much', 'mail', `"${'x'.repeat(300_000)}"`, {}, 'invalid_json', 'payload_too_large'],
    ['what does not fit', 'mail', '{"to":7}', {}, 'invalid_input', 'invalid_input'],
    ['a header that makes no sense', 'mail', mail, { 'Troupe-Lane': 'urgent' }, 'invalid_header', 'invalid_input'],
    ['a task that nobody knows', 'mial', mail, {}, 'unknown_task', 'unknown_task'],
  ])('is dead, with record and letter, and leaves the inbox: %s', async (_title, type, body, headers, reason, code) => {
    const { post, left, letters, ports, bus } = await ingressWorld();
    const told: string[] = [];
    bus.subscribe('results.>', ({ subject }) => told.push(subject));
    const id = await post(type, body, headers);
    expect(told).toEqual([`results.${type}.${id}`]);
    expect(await letters()).toEqual([`dlq.ingress.${reason}.${type}.${id}`]);
    const entry = await ports.records.get(`${type}.${id}`);
    expect(entry && decodeRecord(entry.value)).toMatchObject({ status: 'dead', reason, error: { code } });
    expect(entry?.ttlMs).toBe(3_600_000);
    expect([await left('INBOX'), await left('WORK_default')]).toEqual([0, 0]);
    expect(await ports.metrics.text()).toContain(
      `troupe_bad_input_total{reason="${reason === 'invalid_json' ? code : reason}"} 1`,
    );
    const given = typeof body === 'string' ? body : new TextDecoder().decode(body);
    expect((await readDeadLetter(ports, `${type}.${id}`))?.input).toBe(given);
  });

  test('has its submitter’s id, so that it is found', async () => {
    const { post, letters } = await ingressWorld();
    await post('mail', '{', { 'Troupe-Id': 'mine' });
    await post('mail', mail, { 'Troupe-Id': 'yours', 'Troupe-Delay': 'soon' });
    expect((await letters()).toSorted()).toEqual([
      'dlq.ingress.invalid_header.mail.yours',
      'dlq.ingress.invalid_json.mail.mine',
    ]);
  });

  test('has a made id where its own cannot be named, and a made type too', async () => {
    const { post, letters, queue } = await ingressWorld();
    const long = await post('mail', mail, { 'Troupe-Id': 'x'.repeat(513) });
    const odd = await post('a.b', mail);
    const empty = await post('mail', mail, { 'Troupe-Id': '' });
    expect((await letters()).toSorted()).toEqual(
      [
        `dlq.ingress.invalid_name.mail.${long}`,
        `dlq.ingress.invalid_name.unknown.${odd}`,
        `dlq.ingress.invalid_name.mail.${empty}`,
      ].toSorted(),
    );
    expect((await queue.streamInfo('INBOX')).messages).toBe(0);
  });

  test('is buried once, though its letter’s answer or its ack are lost', async () => {
    const { post, inbox, next, broker, eventually, queue, record } = await ingressWorld();
    broker.next('ack', 'lose', { subject: 'tasks.>' });
    broker.next('publish', 'succeed_and_time_out', { subject: 'dlq.>' });
    broker.next('publish', 'succeed_and_time_out', { subject: '$KV.tasks.>' });
    await post('mail', '{', { 'Troupe-Id': 'mine' });
    await inbox(await eventually(next('INBOX', 'ingress')));
    expect([(await queue.streamInfo('DLQ')).messages, (await queue.streamInfo('KV_tasks')).messages]).toEqual([1, 1]);
    expect(await record('mine')).toBeUndefined(); // That would be a task of another type.
  });
});

describe('an id that another task has', () => {
  test('and another input is a conflict: each such message has a letter and a record of its own', async () => {
    const { post, letters, left } = await ingressWorld();
    await post('mail', mail, { 'Troupe-Id': 'a' });
    const conflicts = [
      await post('mail', '{"to":"b"}', { 'Troupe-Id': 'a' }),
      await post('mail', '{"to":"c"}', { 'Troupe-Id': 'a' }),
    ];
    await post('mail', mail, { 'Troupe-Id': 'a' });
    expect(await letters()).toEqual(conflicts.map((id) => `dlq.ingress.id_conflict.mail.${id}`));
    expect([await left('WORK_default'), await left('INBOX')]).toEqual([1, 0]);
  });

  test.each<readonly [string, Record<string, string>]>([
    ['queued', {}],
    ['delayed', { 'Troupe-Delay': '1h' }],
  ])('does not let a bad message be that task’s end while it is %s', async (_where, headers) => {
    const { post, letters, ports } = await ingressWorld();
    await post('mail', mail, { 'Troupe-Id': 'a', ...headers });
    const bad = await post('mail', '{', { 'Troupe-Id': 'a' });
    expect(await letters()).toEqual([`dlq.ingress.invalid_json.mail.${bad}`]);
    expect(await ports.records.get('mail.a')).toBeUndefined();
  });
});
