/** What leaves in few writes is what was published, in its order, whatever its size. */
import { createHash } from 'node:crypto';
import { Socket } from 'node:net';
import { connect, headers } from '@nats-io/transport-node';
import { expect, inject, onTestFinished, test, vi } from 'vitest';
import { sendByTurns } from '../../../src/bus/nats/outbox.ts';
import { seededRandom } from '../../../src/kernel/random.ts';

const pair = async () => {
  const [sender, receiver] = await Promise.all([
    connect({ servers: inject('natsUrl') }),
    connect({ servers: inject('natsUrl') }),
  ]);
  onTestFinished(async () => {
    await Promise.all([sender.close(), receiver.close()]);
  });
  sendByTurns(sender);
  return { sender, receiver };
};

const digest = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('base64url');

test('messages of all sizes arrive whole, in the order of their publishing, with headers and subjects in UTF-8', async () => {
  const { sender, receiver } = await pair();
  const random = seededRandom(3);
  const arrived: string[] = [];
  receiver.subscribe('outbox.>', {
    callback: (_error, message) => {
      arrived.push(`${message.subject} ${message.headers?.get('n') ?? ''} ${digest(message.data)}`);
    },
  });
  await receiver.flush();
  const sent: string[] = [];
  for (let n = 0; n < 600; n++) {
    const data = Buffer.alloc(Math.floor(n % 50 === 0 ? random.next() * 900_000 : random.next() * 3_000), `${n}ü`);
    const subject = `outbox.größe-${n}`;
    const withHeaders = headers();
    withHeaders.set('n', String(n));
    sender.publish(subject, data, n % 2 === 0 ? { headers: withHeaders } : {});
    sent.push(`${subject} ${n % 2 === 0 ? n : ''} ${digest(data)}`);
    if (n % 7 === 0) await Promise.resolve();
    if (n % 100 === 0) await sender.flush();
  }
  await sender.flush();
  await receiver.flush();
  expect(arrived).toEqual(sent);
});

test('what is published in one turn leaves in one write, between promises too', async () => {
  const { sender } = await pair();
  await sender.flush();
  const write = vi.spyOn(Socket.prototype, 'write');
  onTestFinished(() => write.mockRestore());
  for (let n = 0; n < 50; n++) {
    sender.publish(`outbox.${n}`, 'x');
    await Promise.resolve();
  }
  expect(write).not.toHaveBeenCalled();
  await new Promise((resolve) => setImmediate(resolve));
  expect(write).toHaveBeenCalledTimes(1);
});

test('what is more than one write’s worth does not wait for the end of the turn', async () => {
  const { sender } = await pair();
  await sender.flush();
  const write = vi.spyOn(Socket.prototype, 'write');
  onTestFinished(() => write.mockRestore());
  for (let n = 0; n < 40; n++) sender.publish('outbox.x', new Uint8Array(1_000));
  expect(write).toHaveBeenCalledTimes(2);
});

test('a client library with other insides is left as it is', async () => {
  const client = await connect({ servers: inject('natsUrl') });
  onTestFinished(() => client.close());
  const protocol: { outbound?: unknown; sendCommand?: unknown } = Reflect.get(client, 'protocol');
  const { sendCommand } = protocol;
  protocol.outbound = { fill: () => {} };
  sendByTurns(client);
  expect(protocol.sendCommand).toBe(sendCommand);
  sendByTurns({} as typeof client);
});
