import { expect, test } from 'vitest';
import type { Queue, Stored } from '../../src/bus/queue.ts';
import { collect, bytes, latest, log, type Make, text, work } from './world.ts';

export const publishContract = (make: Make): void => {
  const open = async () => {
    const world = await make();
    const link = await world.connect();
    for (const spec of [work, log, latest]) await link.queue.ensureStream(spec);
    return { world, ...link };
  };

  test('what was published is read as it was: by its sequence, and as the last on its subject', async () => {
    const { queue } = await open();
    const headers = { 'Troupe-Id': 'ü/1', lower: 'case', constructor: 'x' };
    await queue.publish('log.a', bytes('before'));
    const { stream, seq } = await queue.publish('log.a', bytes('hello'), { headers });
    expect({ stream, seq }).toEqual({ stream: 'LOG', seq: 2 });
    for (const stored of [await queue.get('LOG', seq), await queue.last('LOG', 'log.a')]) {
      expect(stored).toMatchObject({ stream, seq, subject: 'log.a' });
      expect({ ...stored?.headers }).toEqual(headers);
      expect(text(stored?.data)).toBe('hello');
      expect(Math.abs((stored?.at ?? 0) - queue.now())).toBeLessThan(60_000);
    }
  });

  test('what is not there is undefined, and a stream that is not there is not found', async () => {
    const { queue } = await open();
    expect(await queue.get('LOG', 7)).toBeUndefined();
    expect(await queue.last('LOG', 'log.none')).toBeUndefined();
    await expect(queue.get('NONE', 1)).rejects.toMatchObject({ code: 'not_found' });
    await expect(queue.last('NONE', 'x')).rejects.toMatchObject({ code: 'not_found' });
    await expect(queue.streamInfo('NONE')).rejects.toMatchObject({ code: 'not_found' });
    await expect(queue.consumerInfo('WORK', 'none')).rejects.toMatchObject({ code: 'not_found' });
  });

  test('what is on a subject is read from a sequence on, in order, some at a time', async () => {
    const { queue } = await open();
    for (let n = 1; n <= 60; n += 1)
      await queue.publish(n % 2 ? 'work.a' : 'work.b', bytes(`${n}`), { headers: { n: `${n}` } });
    const read: Stored[] = [];
    for (let page = await queue.from('WORK', 'work.b', 11); page.length > 0; ) {
      read.push(...page);
      page = await queue.from('WORK', 'work.b', (page.at(-1)?.seq ?? 0) + 1);
    }
    expect(read.map(({ seq }) => seq)).toEqual(Array.from({ length: 25 }, (_, n) => 12 + 2 * n));
    const [first] = read;
    expect(first).toMatchObject({ stream: 'WORK', subject: 'work.b', headers: { n: '12' } });
    expect(text(first?.data)).toBe('12');
    expect(first?.at).toBe((await queue.get('WORK', 12))?.at);
    expect(await queue.from('WORK', 'work.none', 1)).toEqual([]);
  });

  test('the last on a subject with wildcards is the latest of all that match', async () => {
    const { queue } = await open();
    for (const subject of ['log.a.1', 'log.b.1', 'log.a.2', 'log.c.1']) await queue.publish(subject, bytes(subject));
    expect((await queue.last('LOG', 'log.a.*'))?.subject).toBe('log.a.2');
  });

  test('an expected sequence of 0 stores one message a subject, whoever else tries', async () => {
    const { world, queue } = await open();
    const other = await world.connect();
    const { seq } = await queue.publish('work.a', bytes('first'), { expectSeq: 0 });
    const second = other.queue.publish('work.a', bytes('second'), { expectSeq: 0 });
    await expect(second).rejects.toMatchObject({ code: 'conflict', revision: seq });
    expect(text((await queue.last('WORK', 'work.a'))?.data)).toBe('first');
  });

  test('of many who expect the same sequence at once, one writes', async () => {
    const { queue } = await open();
    const tries = Array.from({ length: 20 }, (_, n) => queue.publish('latest.a', bytes(`${n}`), { expectSeq: 0 }));
    const settled = await Promise.allSettled(tries);
    expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  test('a stream of last messages keeps the last of each subject', async () => {
    const { queue } = await open();
    const { seq } = await queue.publish('latest.a', bytes('1'), { expectSeq: 0 });
    await queue.publish('latest.b', bytes('other'));
    const next = await queue.publish('latest.a', bytes('2'), { expectSeq: seq });
    expect(next.seq).toBe(3);
    expect(await queue.get('LATEST', seq)).toBeUndefined();
    expect(await queue.streamInfo('LATEST')).toMatchObject({ messages: 2, lastSeq: 3 });
    const stale = queue.publish('latest.a', bytes('3'), { expectSeq: seq });
    await expect(stale).rejects.toMatchObject({ code: 'conflict', revision: next.seq });
  });

  test('a subject that no stream takes is unavailable, and one that is none is refused by name', async () => {
    const { queue } = await open();
    await expect(queue.publish('nowhere.a', bytes('x'))).rejects.toMatchObject({ code: 'unavailable' });
    await expect(queue.publish('work.a b', bytes('x'))).rejects.toMatchObject({ code: 'invalid_name' });
  });

  test('a full work queue refuses the publisher and drops nothing', async () => {
    const { queue } = await open();
    await queue.ensureStream({ ...work, maxBytes: 4_096 });
    const stored = await fill(queue, 'work');
    expect(stored).toBeGreaterThan(0);
    expect(stored).toBeLessThan(10);
    expect((await queue.streamInfo('WORK')).messages).toBe(stored);
    await expect(queue.publish('work.more', new Uint8Array(1_000))).rejects.toMatchObject({ code: 'refused' });
  });

  test('a work queue that counts its messages refuses the one too many, and takes another when one has left', async () => {
    const { queue } = await open();
    await queue.ensureStream({ ...work, maxMessages: 2 });
    await queue.publish('work.a', bytes('1'));
    await queue.publish('work.b', bytes('2'));
    await expect(queue.publish('work.c', bytes('3'))).rejects.toMatchObject({ code: 'refused' });
    await queue.purge('WORK', 'work.a');
    await queue.publish('work.c', bytes('3'));
    expect((await queue.streamInfo('WORK')).messages).toBe(2);
  });

  test('a full log drops its oldest', async () => {
    const { queue } = await open();
    await queue.ensureStream({ ...log, maxBytes: 4_096 });
    expect(await fill(queue, 'log')).toBe(10);
    expect((await queue.streamInfo('LOG')).messages).toBeLessThan(10);
    expect(await queue.get('LOG', 1)).toBeUndefined();
    expect(await queue.get('LOG', 10)).toBeDefined();
  });

  test('a message that is too large for the stream or the server is refused', async () => {
    const { bus, queue } = await open();
    await queue.ensureStream({ ...work, maxMsgBytes: 1_000 });
    await expect(queue.publish('work.a', new Uint8Array(1_001))).rejects.toMatchObject({ code: 'refused' });
    const tooLarge = new Uint8Array(bus.maxPayload + 1);
    await expect(queue.publish('log.a', tooLarge)).rejects.toMatchObject({ code: 'refused' });
    expect((await queue.streamInfo('WORK')).messages).toBe(0);
  });

  test('a message with a time to live removes itself, and its subject is free again', async () => {
    const { world, queue } = await open();
    await queue.publish('latest.a', bytes('1'), { ttlMs: 1_000 });
    expect((await queue.last('LATEST', 'latest.a'))?.headers['Nats-TTL']).toBe('1s');
    const gone = async (): Promise<void> => {
      while (await queue.last('LATEST', 'latest.a')) await world.clock.sleep(50);
    };
    await world.eventually(gone());
    await queue.publish('latest.a', bytes('2'), { expectSeq: 0 });
  });

  test('a time to live is refused below a second, and where nothing may leave by age', async () => {
    const { queue } = await open();
    await expect(queue.publish('latest.a', bytes('x'), { ttlMs: 500 })).rejects.toMatchObject({ code: 'refused' });
    await expect(queue.publish('work.a', bytes('x'), { ttlMs: 5_000 })).rejects.toMatchObject({ code: 'refused' });
  });

  test('headers that would be orders to the server do not leave: two of one message id are two', async () => {
    const { queue } = await open();
    const headers = { 'Nats-Msg-Id': 'one', 'nats-ttl': '1s', 'Nats-Expected-Last-Sequence': '77', kept: 'yes' };
    await queue.publish('work.a', bytes('x'), { headers });
    const { seq } = await queue.publish('work.b', bytes('x'), { headers });
    expect((await queue.streamInfo('WORK')).messages).toBe(2);
    expect({ ...(await queue.get('WORK', seq))?.headers }).toEqual({ kept: 'yes' });
  });

  test('a header that would break out of its line is refused', async () => {
    const { queue } = await open();
    const publish = (headers: Record<string, string>) => queue.publish('work.a', bytes('x'), { headers });
    await expect(publish({ a: 'b\r\nNats-TTL: 1s' })).rejects.toMatchObject({ code: 'refused' });
    await expect(publish({ 'a b': 'c' })).rejects.toMatchObject({ code: 'invalid_name' });
    await expect(publish({ 'a:b': 'c' })).rejects.toMatchObject({ code: 'invalid_name' });
    expect((await queue.streamInfo('WORK')).messages).toBe(0);
  });

  test('a value arrives without the spaces around it, and without half a surrogate pair', async () => {
    const { queue } = await open();
    const headers = { padded: ' \u00a0a b\t ', blank: '  ', half: 'x\ud83d' };
    await queue.publish('log.a', bytes('x'), { headers });
    expect({ ...(await queue.last('LOG', 'log.a'))?.headers }).toEqual({ padded: 'a b', blank: '', half: 'x\ufffd' });
  });

  test('headers of more than 64 KiB less one byte are refused, counted in bytes of UTF-8', async () => {
    const { queue } = await open();
    const most = 65_535 - 'NATS/1.0\r\nbig: \r\n\r\n'.length;
    const publish = (value: string) => queue.publish('log.a', bytes('x'), { headers: { big: value } });
    await publish(`é${'x'.repeat(most - 2)}`);
    await expect(publish(`é${'x'.repeat(most - 1)}`)).rejects.toMatchObject({ code: 'refused' });
    expect((await queue.streamInfo('LOG')).messages).toBe(1);
  });

  test('the last of each of very many subjects is one read', async () => {
    const { queue } = await open();
    const names = Array.from({ length: 2_500 }, (_, n) => `latest.${n}`);
    await Promise.all(names.map((subject) => queue.publish(subject, bytes(subject), { headers: { own: subject } })));
    const found = await queue.lastOfEach('LATEST', [...names, 'latest.none']);
    expect(found.size).toBe(2_500);
    const one = found.get('latest.1234');
    expect(one).toMatchObject({ stream: 'LATEST', subject: 'latest.1234' });
    expect({ ...one?.headers }).toEqual({ own: 'latest.1234' });
    expect(text(one?.data)).toBe('latest.1234');
    expect(one?.seq).toBe((await queue.last('LATEST', 'latest.1234'))?.seq);
    expect(await queue.lastOfEach('LATEST', [])).toEqual(new Map());
    expect(await queue.lastOfEach('LATEST', ['latest.none'])).toEqual(new Map());
  });

  test('subjects are counted by filter, and purged by filter', async () => {
    const { queue } = await open();
    for (const subject of ['log.a.1', 'log.a.1', 'log.a.2', 'log.b.1']) await queue.publish(subject, bytes('x'));
    const counts = new Map([
      ['log.a.1', 2],
      ['log.a.2', 1],
    ]);
    expect(await queue.subjects('LOG', 'log.a.*')).toEqual(counts);
    expect(await queue.purge('LOG', 'log.a.1')).toBe(2);
    expect(await queue.purge('LOG', 'log.none')).toBe(0);
    expect([...(await queue.subjects('LOG', 'log.>')).keys()].sort()).toEqual(['log.a.2', 'log.b.1']);
  });

  test('now is not behind what the server has stamped', async () => {
    const { queue } = await open();
    await queue.publish('work.a', bytes('x'));
    await queue.ensureConsumer({ stream: 'WORK', name: 'all', filter: 'work.>', ackWaitMs: 1_000, maxAckPending: 9 });
    const stamps = collect<number>();
    const consumer = queue.consume('WORK', 'all', { deliver: ({ at }) => stamps.push(at), ended: () => {} });
    consumer.pull({ batch: 1, waitMs: 1_000 });
    const [at = Infinity] = await stamps.count(1);
    expect(queue.now()).toBeGreaterThanOrEqual(at);
  });
};

/** Publishes ten messages of 1,000 bytes and answers how many were taken. */
const fill = async (queue: Queue, prefix: string): Promise<number> => {
  const tries = Array.from({ length: 10 }, (_, n) => queue.publish(`${prefix}.${n}`, new Uint8Array(1_000)));
  return (await Promise.allSettled(tries)).filter(({ status }) => status === 'fulfilled').length;
};
