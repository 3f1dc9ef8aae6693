import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText } from 'ai';
import { expect, onTestFinished, test } from 'vitest';
import { silentLog } from '../../src/kernel/log.ts';
import { limitedFetch } from '../../src/llm/wire.ts';
import { entryOf, layerWorld } from './layer-world.ts';
import { notedPermits } from './permits.ts';

/** Begins its answers at once, and ends them when told. */
const slowServer = async () => {
  const keys: unknown[] = [];
  const ends: (() => void)[] = [];
  const body = JSON.stringify({
    id: 'r',
    created: 1,
    model: 'tiny',
    choices: [{ index: 0, message: { role: 'assistant', content: 'fine' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 1, completion_tokens: 1 },
  });
  const server = createServer((request, response) => {
    keys.push(request.headers['idempotency-key']);
    response.writeHead(200, { 'content-type': 'application/json', 'x-request-id': `req-${keys.length}` });
    response.flushHeaders();
    ends.push(() => void response.end(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, keys, ends };
};

test('an answer in one piece is written down as soon as it begins, and known again when its process dies before its end', async () => {
  const { url, keys, ends } = await slowServer();
  const { fetch, close } = limitedFetch({ log: silentLog });
  onTestFinished(close);
  const model = createOpenAICompatible({ name: 'local', baseURL: url, apiKey: 'none', fetch })('tiny');
  const { attempt, recordOf, ports } = await layerWorld([entryOf(model)], notedPermits());
  const first = await attempt();
  void generateText({ model: first.model(), prompt: 'hi' }).catch(() => {}); // Its process dies.
  await expect.poll(async () => (await recordOf())?.calls).toMatchObject([{ name: 'model:fast', requestId: 'req-1' }]);

  const again = generateText({ model: (await attempt()).model(), prompt: 'hi' });
  await expect.poll(() => ends.length).toBe(2);
  ends[1]?.();
  expect((await again).text).toBe('fine');
  expect(await recordOf()).toMatchObject({ calls: [], steps: [{ result: { requestId: 'req-2' } }] });
  expect(keys[1]).toBe(keys[0]);
  expect(await ports.metrics.text()).toContain('troupe_model_calls_total{model="fast",outcome="repeated"} 1');
});
