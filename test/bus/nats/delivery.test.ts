import { expect, test } from 'vitest';
import { parseAckSubject } from '../../../src/bus/nats/delivery.ts';
import { all, bytes, consuming, work } from '../../contract/world.ts';
import { freshNats } from '../../setup/servers.ts';
import { connectTo } from './link.ts';

const position = { stream: 'WORK', deliveries: 3, seq: 17, deliverySeq: 21, at: 1_795_231_848_248, pending: 5 };

test('both forms of ack subject tell the same', () => {
  expect(parseAckSubject('$JS.ACK.WORK.all.3.17.21.1795231848248116627.5')).toEqual(position);
  expect(parseAckSubject('$JS.ACK._.aHash.WORK.all.3.17.21.1795231848248116627.5.r4nd')).toEqual(position);
  expect(parseAckSubject('$JS.ACK.hub.aHash.WORK.all.3.17.21.1795231848248116627.5')).toEqual(position);
});

test('what is no ack subject is none', () => {
  const others = [
    '',
    '_INBOX.x.1',
    '$JS.ACK',
    '$JS.ACK.WORK.all.1.2',
    '$JS.API.WORK.all.3.17.21.1.5',
    '$JS.ACK.W.c.a.b.c.d.e',
  ];
  for (const subject of others) expect(parseAckSubject(subject)).toBeUndefined();
});

test('deliveries are settled whichever form the server uses', async () => {
  const server = await freshNats({ config: 'feature_flags { js_ack_fc_v2: true }' });
  const { queue } = await connectTo(server.url);
  await queue.ensureStream(work);
  await queue.ensureConsumer(all);
  const { seq } = await queue.publish('work.a', bytes('x'));
  const consumer = consuming(queue);
  consumer.pull({ batch: 1, waitMs: 5_000 });
  const [delivery] = await consumer.deliveries.count(1);
  expect(delivery).toMatchObject({ stream: 'WORK', seq, deliveries: 1, pending: 0 });
  delivery?.ack();
  await expect.poll(async () => (await queue.streamInfo('WORK')).messages).toBe(0);
});

test('another connection settles with nothing but three numbers of a delivery', async () => {
  const server = await freshNats();
  const [holder, reaper] = [await connectTo(server.url), await connectTo(server.url)];
  await holder.queue.ensureStream(work);
  await holder.queue.ensureConsumer({ ...all, ackWaitMs: 60_000 });
  await holder.queue.publish('work.a', bytes('x'));
  const consumer = consuming(holder.queue);
  consumer.pull({ batch: 2, waitMs: 10_000 });
  const [{ seq, deliveries } = { seq: 0, deliveries: 0 }] = await consumer.deliveries.count(1);
  reaper.bus.publish(`$JS.ACK.WORK.all.${deliveries}.${seq}.1.0.0`, bytes('-NAK'));
  expect((await consumer.deliveries.count(2))[1]).toMatchObject({ seq, deliveries: 2 });
});
