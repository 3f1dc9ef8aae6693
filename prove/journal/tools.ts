/** What the tools act on: a service that does what it is asked each time it is asked, and logs it before it answers. */
import { once } from 'node:events';
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { seededRandom } from '../../src/kernel/random.ts';
import { jobOf, say } from '../process.ts';
import type { ServiceJob } from './provider.ts';

const { latencyMs, log, seed } = jobOf<ServiceJob>();
const random = seededRandom(seed);
const server = createServer((request, response) => {
  const key = request.headers['idempotency-key'];
  appendFileSync(log, `${JSON.stringify({ atMs: Date.now(), key, what: request.url })}\n`);
  request.resume();
  const answer = async (): Promise<void> => {
    await sleep(latencyMs * (0.5 + random.next()));
    response.end('done');
  };
  void answer(); // Nothing in it fails; who has gone meanwhile is not told.
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const address = server.address();
say('ready', `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`);
