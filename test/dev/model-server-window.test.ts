import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { type ModelServer, type ModelServerOptions, startModelServer } from '../../src/dev/model-server.ts';
import { slidingWindow } from '../../src/dev/model-window.ts';
import { virtualClock } from '../../src/kernel/virtual-clock.ts';

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const start = async (options: ModelServerOptions): Promise<ModelServer> => {
  const server = await startModelServer({ latencyMs: 0, ...options });
  ends.push(() => server.stop());
  return server;
};

const body = { model: 'tiny', messages: [{ role: 'user', content: 'Twelve chars' }] };

const post = (server: ModelServer, headers: Record<string, string> = {}, more: object = {}): Promise<Response> =>
  fetch(`${server.url}/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ ...body, ...more }),
  });

describe("the model server's window", () => {
  it('counts the tokens that the request says are reserved', async () => {
    const server = await start({ limits: { tokens: { limit: 1_000, perMs: 60_000 } } });
    expect((await post(server, { 'x-troupe-reserved': '600' })).status).toBe(200);
    expect((await post(server, { 'x-troupe-reserved': '401' })).status).toBe(429);
    expect((await post(server, { 'x-troupe-reserved': '400' })).status).toBe(200);
    expect(server.arrivals().map(({ tokens }) => tokens)).toEqual([600, 0, 400]);
  });

  it('counts as many tokens of output as a request asks for at most', async () => {
    const server = await start({});
    await post(server, {}, { max_tokens: 50 });
    await post(server, {}, { max_tokens: 50, max_completion_tokens: 70 });
    await post(server, { 'x-troupe-reserved': '-1' }, { max_tokens: 20 });
    expect(server.arrivals().map(({ tokens }) => tokens)).toEqual([3 + 50, 3 + 70, 3 + 20]);
  });

  it('counts what an answer has used, once that is known, as of when its request came', async () => {
    const clock = virtualClock();
    const server = await start({ clock, limits: { tokens: { limit: 100, perMs: 10_000 } } });
    expect((await post(server, {}, { max_tokens: 90 })).status).toBe(200);
    const [first] = server.arrivals();
    expect(first?.tokens).toBe(3 + 90);
    const used = first?.used ?? 0;
    expect(used).toBeGreaterThan(0);
    expect(used).toBeLessThan(50);
    // What was reserved and not used has room for others.
    expect((await post(server, { 'x-troupe-reserved': String(100 - used) })).status).toBe(200);
    await clock.advance(10_000);
    expect((await post(server, { 'x-troupe-reserved': '100' })).status).toBe(200);
    // What says itself what it has reserved is taken at its word.
    expect((await post(server, { 'x-troupe-reserved': '1' })).status).toBe(429);
  });

  it('answers so many at once, and refuses the next until one has its answer', () => {
    const window = slidingWindow({ concurrent: 1 });
    const first = window.admit(0, 1);
    expect(window.admit(0, 1)).toEqual({ admitted: false, retryAfterMs: 1_000 });
    if (first.admitted) first.settle();
    if (first.admitted) first.settle();
    expect(window.admit(0, 1)).toMatchObject({ admitted: true });
    expect(window.admit(0, 1)).toMatchObject({ admitted: false });
  });

  it('is several windows at once', async () => {
    const clock = virtualClock();
    const limits = {
      requests: [
        { limit: 1, perMs: 1_000 },
        { limit: 2, perMs: 60_000 },
      ],
    };
    const server = await start({ clock, limits });
    const answered = async (): Promise<readonly [number, string | null]> => {
      const response = await post(server);
      return [response.status, response.headers.get('retry-after')];
    };
    expect(await answered()).toEqual([200, null]);
    expect(await answered()).toEqual([429, '1']);
    await clock.advance(1_000);
    expect(await answered()).toEqual([200, null]);
    await clock.advance(1_000);
    expect(await answered()).toEqual([429, '58']);
  });

  it('admits again exactly a window later, and not a moment before', () => {
    const window = slidingWindow({ requests: { limit: 1, perMs: 100 } });
    expect(window.admit(0, 1)).toMatchObject({ admitted: true });
    expect(window.admit(99.9, 1)).toMatchObject({ admitted: false });
    expect(window.admit(100, 1)).toMatchObject({ admitted: true });
  });

  it('writes each arrival to a file, under the name that its request has', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'troupe-model-'));
    ends.push(() => rm(dir, { recursive: true }));
    const log = join(dir, 'arrivals.jsonl');
    const server = await start({ log, limits: { requests: { limit: 1, perMs: 60_000 } } });
    await post(server, { 'x-request-id': 'first' });
    await post(server, { 'x-request-id': 'second' });
    const lines = (await readFile(log, 'utf8')).trim().split('\n');
    expect(server.arrivals()).toMatchObject(lines.map((line) => JSON.parse(line)));
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { request: 'first', outcome: 'answered' },
      { request: 'second', outcome: 'refused' },
    ]);
  });

  it('dates a request by its last byte, and keeps when it first knew of it beside that', async () => {
    const clock = virtualClock();
    const server = await start({ clock });
    const reachedServer = Promise.withResolvers<void>();
    const answered = Promise.withResolvers<string>();
    const data = JSON.stringify(body);
    const sent = request(`${server.url}/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-length': data.length, expect: '100-continue' },
    });
    sent.once('continue', () => reachedServer.resolve());
    sent.once('response', (response) => answered.resolve(text(response)));
    sent.flushHeaders();
    await reachedServer.promise;
    const headMs = clock.monotonic();
    await clock.advance(300);
    sent.end(data);
    await answered.promise;
    expect(server.arrivals()).toMatchObject([{ headMs, atMs: headMs + 300 }]);
  });
});
