import { setImmediate } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type exampleApp from '../../examples/app.ts';
import minimal from '../../examples/minimal.ts';
import { type ModelServer, startModelServer } from '../../src/dev/model-server.ts';
import { documentsIn } from '../../src/dev/start/batch.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { testRuntime, type TestRuntime } from '../../src/testing/runtime.ts';

/** Calls of the model in a second: more than there are documents. */
const allowed = 300;
/** Of the model server: its window moves only when a test says so. */
let modelMs = 0;
let model: ModelServer;
let app: typeof exampleApp;
let company: TestRuntime<typeof exampleApp>;

beforeAll(async () => {
  const clock = { ...systemClock, monotonic: () => modelMs };
  model = await startModelServer({ latencyMs: 0, clock, limits: { requests: { limit: allowed, perMs: 1_000 } } });
  // The app reads its environment when it is loaded, as every app may.
  vi.stubEnv('OPENAI_BASE_URL', model.url);
  vi.stubEnv('OPENAI_API_KEY', 'simulated');
  ({ default: app } = await import('../../examples/app.ts'));
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await model.stop();
});

let asked = 0;
beforeEach(async () => {
  modelMs += 1_000;
  asked = model.arrivals().length;
  company = await testRuntime(app);
});
afterEach(() => company.close());

const calls = (): readonly string[] =>
  model
    .arrivals()
    .slice(asked)
    .map(({ outcome }) => outcome);

/** What it comes to, while time passes slowly enough for the model, which lives outside of it, to answer. */
const passing = async <T>(promise: Promise<T>): Promise<T> => {
  let over = false;
  const end = (): void => void (over = true);
  promise.then(end, end);
  while (!over) {
    await company.clock.advance('2ms');
    await setImmediate();
  }
  return promise;
};

const storyOf = async <Event>(run: { events(): AsyncIterable<Event> }): Promise<readonly Event[]> => {
  const events: Event[] = [];
  for await (const event of run.events()) events.push(event);
  return events;
};

const gettysburg = { document: 'gettysburg-address' };

describe('the example app', () => {
  it('summarises a document in steps, two of them at once, and shows how far it is', async () => {
    const run = await company.client.submit('summarise', gettysburg);
    expect(await run.result()).toEqual({
      title: 'The Gettysburg Address',
      summary: expect.stringMatching(/^\[simulated\] The Gettysburg Address\. Four score and seven years ago/),
      words: expect.any(Number),
      minutes: 2,
    });
    const told = (await passing(storyOf(run))).map((event) => {
      if (event.type === 'step') return event.name;
      return event.type === 'progress' ? event.value.stage : event.type;
    });
    expect(told).toEqual(expect.arrayContaining(['reading', 'read', 'asking', 'model:fast', 'measure', 'completed']));
    expect(calls()).toEqual(['answered']);
  });

  it('extracts what is in a document, in the shape that it asked for', async () => {
    const run = await company.client.submit('extract', { document: 'us-declaration-of-independence-part-1' });
    const facts = await run.result();
    expect(facts.title).toContain('Declaration of Independence');
    expect(facts.keywords.length).toBeGreaterThan(0);
    expect(facts.places).toContain('Great Britain');
    expect(calls()).toEqual(['answered']);
  });

  it('fails on purpose at some of the documents, and never asks the model twice for it', async () => {
    const documents = await documentsIn(new URL('../../examples/corpus/', import.meta.url));
    const runs = await Promise.all(documents.map((document) => company.client.submit('inspect', { document })));
    const results = await passing(Promise.allSettled(runs.map((run) => run.result())));
    const states = await Promise.all(runs.map((run) => run.status()));

    const count = (status: string): number => states.filter((state) => state.status === status).length;
    expect(count('dead')).toBeGreaterThan(0);
    expect(count('failed')).toBeGreaterThan(0);
    expect(count('completed') + count('dead') + count('failed')).toBe(documents.length);
    const passed = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value.attempts] : []));
    expect(new Set(passed)).toEqual(new Set([1, 2]));
    for (const { status, attempt, error } of states) {
      if (status === 'dead') expect([attempt, error?.message]).toEqual([4, expect.stringContaining('each time')]);
      if (status === 'failed') expect([attempt, error?.code]).toEqual([1, 'non_retryable']);
    }
    expect(calls()).toEqual(documents.map(() => 'answered'));
  });

  it('reserves little more than it uses, and costs what the provider has counted', async () => {
    for (const type of ['summarise', 'extract', 'inspect'] as const) {
      const run = await company.client.submit(type, gettysburg);
      await passing<unknown>(run.result());
      const { usage } = await run.status();
      expect(usage.usd).toBeCloseTo((usage.inputTokens * 0.25 + usage.outputTokens * 2) / 1e6, 12);
    }
    const made = model.arrivals().slice(asked);
    expect(made).toHaveLength(3);
    for (const { tokens, used = 0 } of made) {
      expect(used).toBeLessThanOrEqual(tokens);
      expect(tokens - used).toBeLessThan(600);
    }
  });

  it('comes back when a busy model says that it may, and holds no worker until then', async () => {
    for (let each = 0; each < allowed; each += 1)
      await fetch(`${model.url}/chat/completions`, { method: 'POST', body: '{"model":"x","messages":[]}' });
    asked = model.arrivals().length;
    const run = await company.client.submit('summarise', gettysburg);
    await vi.waitFor(() => expect(calls()).toEqual(['refused']));
    await vi.waitFor(async () => expect((await run.status()).status).toBe('waiting'));
    const { waitingFor, error } = await run.status();
    expect(waitingFor?.reason).toBe('retry');
    expect(error).toMatchObject({ code: 'retry_after', message: expect.stringContaining('model "fast"') });
    expect(Number(waitingFor?.until) - company.clock.now().getTime()).toBeLessThanOrEqual(1_000);

    modelMs += 1_000;
    await company.clock.advance('1s');
    expect(await run.result()).toMatchObject({ title: 'The Gettysburg Address' });
    expect((await run.status()).attempt).toBe(2);
    expect(calls()).toEqual(['refused', 'answered']);
  });

  it('does not pay again for what was recorded before its node died', async () => {
    // Fails once, after it has asked.
    const run = await company.client.submit('inspect', { document: 'jargon-demoscene' });
    await vi.waitFor(async () => expect((await run.status()).status).toBe('waiting'));
    await company.crash();
    expect(await passing(run.result())).toMatchObject({ attempts: 2 });
    expect(await passing(storyOf(run))).toContainEqual(expect.objectContaining({ name: 'model:fast', replayed: true }));
    expect(calls()).toEqual(['answered']);
  });

  it('is never given a document that there is not, and says so of one that has gone', async () => {
    await expect(company.client.submit('summarise', { document: '../app' })).rejects.toMatchObject({
      code: 'invalid_input',
    });
    const run = await company.client.submit('summarise', { document: 'no-such-text' });
    await expect(run.result()).rejects.toThrow('no document "no-such-text"; examples/corpus has those there are');
    expect(await run.status()).toMatchObject({ status: 'failed', attempt: 1 });
  });
});

it('the smallest app greets, by itself each morning too', async () => {
  const small = await testRuntime(minimal);
  const run = await small.client.submit('hello', { who: 'you' });
  expect(await run.result()).toEqual({ text: 'Hello, you' });
  const events = small.client.events({ type: 'hello' })[Symbol.asyncIterator]();
  const greeted = events.next();
  await small.clock.advance('1d');
  expect((await greeted).value).toMatchObject({ task: 'hello' });
  await events.return?.();
  await small.close();
});
