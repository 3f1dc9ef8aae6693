import { headers } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { expect, onTestFinished, test } from 'vitest';
import { virtualClock } from '../../../src/kernel/virtual-clock.ts';
import { bytes, latest } from '../../contract/world.ts';
import { freshNats } from '../../setup/servers.ts';
import { connectTo, statesOf } from './link.ts';

test('the last of each of many subjects is read however many bytes that is', async () => {
  // A server hangs up on who has this much to come; by itself it sends no more than that for one read.
  const server = await freshNats({ config: 'max_pending: 4MB' });
  const link = await connectTo(server.url);
  const states = statesOf(link);
  await link.queue.ensureStream(latest);
  const names = Array.from({ length: 200 }, (_, n) => `latest.${n}`);
  for (const name of names) await link.queue.publish(name, bytes(name.padEnd(60_000)));
  const found = await link.queue.lastOfEach('LATEST', ['latest.none', ...names]);
  expect([...found.keys()].toSorted()).toEqual(names.toSorted());
  expect(states.items).toEqual([]);
});

test('a read may take long as long as something comes, and is over when nothing does', async () => {
  const server = await freshNats();
  const clock = virtualClock();
  const link = await connectTo(server.url, { clock });
  // In place of a stream, on a link that is slow.
  const stream = await connect({ servers: server.url });
  onTestFinished(() => stream.close());
  const asked = stream.subscribe('$JS.API.DIRECT.GET.SLOW')[Symbol.asyncIterator]();
  await stream.flush();
  const read = link.queue.lastOfEach('SLOW', ['a', 'b', 'c']);
  const outcome = expect(read).rejects.toMatchObject({ code: 'timeout' });
  const request = (await asked.next()).value;
  for (const subject of ['a', 'b']) {
    await clock.advance(4_000);
    const said = headers();
    said.set('Nats-Subject', subject);
    request.respond(bytes(subject), { headers: said });
    await stream.flush();
    await link.bus.flush(); // It has come.
  }
  await clock.advance(4_000);
  const over = headers(204, 'EOB');
  over.set('Nats-Num-Pending', '1');
  request.respond(bytes(''), { headers: over });
  expect(JSON.parse(Buffer.from((await asked.next()).value.data).toString())).toMatchObject({ multi_last: ['c'] });
  await clock.advance(6_000);
  await outcome;
});
