import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { defineApp, defineTask } from '../../src/index.ts';
import { systemClock as clock } from '../../src/kernel/clock.ts';
import { silentLog as log } from '../../src/kernel/log.ts';
import { readiness } from '../../src/web/health.ts';
import { httpDoor, type HttpDoorOptions } from '../../src/web/http.ts';
import { startWorld } from '../client/world.ts';

const letGo = Promise.withResolvers<void>();
const echo = defineTask({
  name: 'echo',
  input: z.object({ text: z.string().optional() }),
  output: z.object({ text: z.string(), key: z.string() }),
  run: async (ctx, { text = '' }) => ({ text, key: ctx.key ?? '' }),
});
const fails = defineTask({
  name: 'fails',
  input: z.object({}),
  retry: { max: 1 },
  run: async () => {
    throw new Error('broken');
  },
});
const waits = defineTask({ name: 'waits', input: z.object({}), run: () => letGo.promise });

const open = async () => {
  const pools = { default: { workers: { min: 4, max: 4 } } };
  const world = await startWorld(defineApp({ pools, tasks: [echo, fails, waits] }));
  return { ...world, door: await openDoor(world) };
};

const freePort = async (): Promise<number> => {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
};

type Parts = Pick<Awaited<ReturnType<typeof startWorld>>, 'node' | 'store' | 'metrics'>;

const openDoor = async ({ node, store, metrics }: Parts, options: Partial<HttpDoorOptions> = {}) => {
  const life = new AbortController();
  const listening = Promise.withResolvers<number>();
  const start = httpDoor({
    port: await freePort(),
    nextFree: true,
    doors: node.doors,
    ready: readiness(node.bus, store, clock),
    metrics,
    clock,
    log,
    listening: listening.resolve,
    ...options,
  });
  const { exit } = await start(life.signal);
  const port = await listening.promise;
  const close = async (): Promise<void> => {
    life.abort();
    await exit;
  };
  return { port, close, url: `http://127.0.0.1:${port}` };
};

let world: Awaited<ReturnType<typeof open>>;
beforeAll(async () => {
  world = await open();
});
afterAll(async () => {
  letGo.resolve();
  await world.door.close();
  await world.close();
});

const ask = async (path: string, init: RequestInit = {}) => {
  const response = await fetch(world.door.url + path, init);
  const text = await response.text();
  const type = response.headers.get('content-type') ?? '';
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: type.includes('json') ? JSON.parse(text) : undefined,
  };
};
const post = (path: string, body?: unknown, headers: Record<string, string> = {}) =>
  ask(path, {
    method: 'POST',
    headers,
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });

/** With headers that fetch would not send. */
const raw = (path: string, { method = 'GET', headers = {} }: { method?: string; headers?: Record<string, string> }) =>
  new Promise<number | undefined>((resolve, reject) => {
    const request = httpRequest({ port: world.door.port, host: '127.0.0.1', path, method, headers }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.on('error', reject).end();
  });

describe('the HTTP door', () => {
  test('takes a task and answers for it', async () => {
    const id = `a/b c?${crypto.randomUUID()}`;
    const submitted = await post(
      '/tasks/echo',
      { text: 'hi' },
      { 'Troupe-Id': id, 'troupe-key': Buffer.from('Zoë').toString('latin1') },
    );
    expect(submitted).toMatchObject({ status: 202, body: { id, type: 'echo', status: 'queued', duplicate: false } });
    const at = submitted.headers.get('location') ?? '';
    expect(at).toBe(`/tasks/echo/${encodeURIComponent(id)}`);
    expect(await ask(`${at}/await?timeout=10s`)).toMatchObject({
      status: 200,
      body: { id, status: 'completed', output: { text: 'hi', key: 'Zoë' } },
    });
    expect(await ask(at)).toMatchObject({ status: 200, body: { id, status: 'completed' } });
    expect(await ask(`${at}/why`)).toMatchObject({ status: 200, body: { why: expect.stringContaining('completed') } });
    expect(await post('/tasks/echo', { text: 'hi' }, { 'Troupe-Id': id })).toMatchObject({
      status: 200,
      body: { duplicate: true, status: 'completed' },
    });
    expect(await post('/tasks/echo', { text: 'ho' }, { 'Troupe-Id': id })).toMatchObject({
      status: 409,
      body: { error: { code: 'id_conflict' } },
    });
  });

  test.each(['.', '..'])('takes a task of the id %s, and says no place where it would not be found', async (id) => {
    const submitted = await post('/tasks/echo', { text: 'hi' }, { 'Troupe-Id': id });
    expect(submitted).toMatchObject({ status: 202, body: { id, status: 'queued' } });
    expect(submitted.headers.has('location')).toBe(false);
    expect(await (await world.client()).run(echo, id).result()).toMatchObject({ text: 'hi' });
  });

  test('cancels and tries again', async () => {
    const later = (await post('/tasks/echo', {}, { 'Troupe-Delay': '1h' })).body;
    expect(await post(`/tasks/echo/${later.id}/cancel`, { reason: 'why not' })).toMatchObject({
      status: 200,
      body: { status: 'cancelled', cancelled: true },
    });
    const dead = (await post('/tasks/fails', {})).body;
    await ask(`/tasks/fails/${dead.id}/await`);
    expect(await post(`/tasks/fails/${dead.id}/retry`)).toMatchObject({ status: 202, body: { id: `${dead.id}-r1` } });
    expect(await post(`/tasks/echo/${later.id}/retry`)).toMatchObject({ status: 404 });
  });

  test('counts a group', async () => {
    const group = crypto.randomUUID();
    await post('/tasks/echo', {}, { 'Troupe-Group': group, 'Troupe-Delay': '1h' });
    expect(await ask(`/groups/${group}`)).toMatchObject({ status: 200, body: { total: 1, queued: 1 } });
  });

  test.each([
    ['POST', '/tasks/echo', '{"text":', 400, 'invalid_input'],
    ['POST', '/tasks/echo', '{"text":1}', 400, 'invalid_input'],
    ['POST', '/tasks/echo', '{"__proto__":{}}', 400, 'invalid_input'],
    ['POST', '/tasks/echo', JSON.stringify({ text: 'x'.repeat(300_000) }), 413, 'payload_too_large'],
    ['POST', '/tasks/ekho', '{}', 404, 'unknown_task'],
    ['POST', '/tasks/e.o', '{}', 400, 'invalid_name'],
    ['POST', '/tasks/%2e%2e%2fx', '{}', 400, 'invalid_name'],
    ['POST', '/tasks/echo/nobody/cancel', '{}', 404, 'not_found'],
    ['POST', '/tasks/echo/nobody/cancel', '{"x":1}', 400, 'invalid_input'],
    ['GET', `/tasks/echo/${'i'.repeat(513)}`, undefined, 400, 'invalid_name'],
    ['GET', '/tasks/echo/nobody', undefined, 404, 'not_found'],
    ['GET', '/tasks/echo/%ff', undefined, 404, 'not_found'],
    ['GET', '/tasks/echo/nobody/await?timeout=1e9', undefined, 400, 'invalid_duration'],
    ['GET', '/tasks/echo/nobody/await?timeout=-1s', undefined, 400, 'invalid_duration'],
    ['GET', '/tasks/<img onerror=alert(1)>/x', undefined, 400, 'invalid_name'],
    ['DELETE', '/tasks/echo/x', undefined, 404, 'not_found'],
    ['GET', '/', undefined, 404, 'not_found'],
  ])('answers %s %.60s with %.20s: %i %s', async (method, path, body, status, code) => {
    const answer = await ask(path, { method, ...(body !== undefined && { body }) });
    expect(answer).toMatchObject({ status, body: { error: { code, message: expect.any(String) } } });
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'");
  });

  test.each([
    ['Troupe-Lane', 'urgent'],
    ['Troupe-Prio', 'high'],
    ['Troupe-Hash', 'forged'],
    ['Troupe-Key', '\xff'],
    ['Troupe-Delay', '5 minutes'],
    ['Troupe-At', '2300-01-01T00:00:00Z'],
    ['baggage', 'x'.repeat(9_000)],
  ])('refuses the header %s: %.20s', async (name, value) => {
    expect(await post('/tasks/echo', {}, { [name]: value })).toMatchObject({
      status: 400,
      body: { error: { code: 'invalid_input', reason: 'invalid_header' } },
    });
  });

  test('says when to come back', async () => {
    const asked = Array.from({ length: 200 }, () => ask('/readyz'));
    expect((await Promise.all(asked)).every(({ status }) => status === 200)).toBe(true);
    world.store.setAvailable(false);
    onTestFinished(() => world.store.setAvailable(true));
    const answer = await ask('/groups/any');
    expect(answer).toMatchObject({ status: 503, body: { error: { code: 'unavailable' } } });
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  });

  test('is alive, and ready only with all it needs', async () => {
    expect(await ask('/livez')).toMatchObject({ status: 200, text: 'ok\n' });
    await expect
      .poll(() => ask('/readyz'))
      .toMatchObject({ status: 200, body: { ready: true, nats: true, store: true } });
    world.store.setAvailable(false);
    await expect
      .poll(() => ask('/readyz'))
      .toMatchObject({ status: 503, body: { ready: false, nats: true, store: false } });
    world.store.setAvailable(true);
    await expect.poll(() => ask('/readyz')).toMatchObject({ status: 200 });
  });

  test('shows its numbers', async () => {
    await post('/tasks/echo', '{');
    const { status, text, headers } = await ask('/metrics');
    expect(status).toBe(200);
    expect(headers.get('content-type')).toContain('text/plain');
    expect(text).toMatch(/troupe_bad_input_total\{reason="invalid_json"\} [1-9]/);
  });

  test('keeps out pages that come under another name, and pages of other origins', async () => {
    const own = `127.0.0.1:${world.door.port}`;
    expect(await raw('/livez', { headers: { host: 'evil.example' } })).toBe(403);
    expect(await raw('/livez', { headers: { host: `evil.example:${world.door.port}` } })).toBe(403);
    expect(await raw('/livez', { headers: { host: '127.0.0.1.evil.example' } })).toBe(403);
    expect(await raw('/livez', { headers: { host: 'LOCALHOST:80' } })).toBe(200);
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
      expect(await raw('/tasks/echo/x/cancel', { method, headers: { origin: 'https://evil.example' } })).toBe(403);
      expect(await raw('/tasks/echo/x/cancel', { method, headers: { origin: 'null' } })).toBe(403);
      expect(await raw('/tasks/echo/x/cancel', { method, headers: { origin: `http://${own}` } })).toBe(404);
    }
    expect(await raw('/livez', { headers: { origin: 'https://evil.example' } })).toBe(200);
  });

  test('reads no more of a body than it takes, whatever was announced', async () => {
    const socket = connect(world.door.port, '127.0.0.1');
    socket.on('error', () => undefined); // It may be closed while we write.
    socket.write('POST /tasks/echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n');
    const answered = once(socket, 'data');
    const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
    for (let index = 0; index < 8; index++) socket.write(chunk);
    expect(String((await answered)[0])).toMatch(/^HTTP\/1.1 413 /);
    socket.destroy();
  });

  test('refuses headers that are too large', async () => {
    const status = await raw('/livez', { headers: { 'x-large': 'x'.repeat(20_000) } });
    expect(status).toBe(431);
  });

  test('refuses more connections than it has room for', async () => {
    const idle: Socket[] = [];
    onTestFinished(() => idle.forEach((socket) => socket.destroy()));
    const closed: Promise<unknown>[] = [];
    for (let index = 0; index < 1_010; index++) {
      const socket = connect(world.door.port, '127.0.0.1');
      socket.on('error', () => undefined);
      closed.push(new Promise((resolve) => socket.once('close', resolve)));
      idle.push(socket);
    }
    await Promise.race(closed); // One too many.
    idle.forEach((socket) => socket.destroy());
    await Promise.all(closed);
    await expect.poll(() => ask('/livez').catch(() => undefined)).toMatchObject({ status: 200 });
  });

  test('lets nobody hang on to it with half a request, or none', async () => {
    const half = connect(world.door.port, '127.0.0.1');
    half.write('GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: ');
    const none = connect(world.door.port, '127.0.0.1');
    const [answer] = await once(half, 'data');
    expect(String(answer)).toMatch(/^HTTP\/1.1 408 /);
    none.resume();
    await once(none, 'close');
  });

  test('takes the next port that is free, if it may', async () => {
    const second = await openDoor(world, { port: world.door.port });
    expect(second.port).toBeGreaterThan(world.door.port);
    await second.close();
    await expect(openDoor(world, { port: world.door.port, nextFree: false })).rejects.toMatchObject({
      code: 'configuration',
      message: expect.stringContaining(`${world.door.port} is taken`),
    });
  });

  test('is not there where its port is 0', async () => {
    const life = new AbortController();
    const { node, store, metrics } = world;
    const { exit } = await httpDoor({
      port: 0,
      nextFree: false,
      doors: node.doors,
      ready: readiness(node.bus, store, clock),
      metrics,
      clock,
      log,
    })(life.signal);
    life.abort();
    await exit;
  });

  test('answers what waits when it closes', async () => {
    const door = await openDoor(world);
    const { id } = (await post('/tasks/waits', {})).body;
    const response = fetch(`${door.url}/tasks/waits/${id}/await?timeout=10m`);
    await expect.poll(async () => (await ask(`/tasks/waits/${id}`)).body.status).toBe('running');
    await door.close();
    expect(await (await response).json()).toMatchObject({ id, status: 'running' });
  });
});
