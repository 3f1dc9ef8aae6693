import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { defineApp } from '../../src/app/app.ts';
import { admit, parseInput, parseOutput, registry } from '../../src/app/registry.ts';
import { resolveApp } from '../../src/app/resolve.ts';
import { type AnyTask, defineTask } from '../../src/app/task.ts';

const input = z.object({ url: z.string(), words: z.coerce.number().default(200) });
const run = async (): Promise<void> => {};
const only = (task: AnyTask) => registry(resolveApp(defineApp({ tasks: [task] }))).taskOf(task.name);

describe('taskOf', () => {
  const { taskOf } = registry(resolveApp(defineApp({ tasks: [defineTask({ name: 'summarise', input, run })] })));

  test('finds a task by its name', () => {
    expect(taskOf('summarise').name).toBe('summarise');
  });

  test.each(['sumarise', 'constructor', '__proto__', ''])('knows no other: %j', (name) => {
    expect(() => taskOf(name)).toThrow(
      expect.objectContaining({ code: 'unknown_task', message: expect.stringContaining(`"${name}"`) }),
    );
  });

  test('offers what was probably meant', () => {
    expect(() => taskOf('sumarise')).toThrow('did you mean "summarise"?');
  });
});

describe('at the edge', () => {
  test('the policy looks at the parsed input', () => {
    const task = only(
      defineTask({
        name: 'a',
        input,
        run,
        id: ({ url }) => `id:${url}`,
        key: ({ words }) => String(words + 1),
        tenant: () => 'acme',
        lane: ({ words }) => (words > 100 ? 'low' : 'high'),
        title: ({ url }) => `Read ${url}`,
      }),
    );
    expect(admit(task, { url: 'u' })).toEqual({
      pool: 'default',
      lane: 'low',
      id: 'id:u',
      key: '201',
      tenant: 'acme',
      title: 'Read u',
    });
  });

  test('a policy that looks at nothing costs nothing', () => {
    const task = only(defineTask({ name: 'a', input, run, lane: 'high' }));
    const choice = admit(task, { url: 'u' });
    expect(choice).toEqual({ pool: 'default', lane: 'high' });
    expect(admit(task, { url: 'v' })).toBe(choice);
  });

  test('a bad input is refused before the policy sees it', () => {
    const task = only(defineTask({ name: 'a', input, run, id: ({ url }) => url.trim() }));
    expect(() => admit(task, { url: 5 })).toThrow(
      expect.objectContaining({ code: 'invalid_input', message: expect.stringMatching(/^input of task "a": url: /) }),
    );
  });

  test('a schema that waits is waited for', async () => {
    const slow = z.object({ url: z.string().refine(async (url) => url !== 'x') });
    const task = only(defineTask({ name: 'a', input: slow, run, id: ({ url }) => url }));
    expect(await admit(task, { url: 'u' })).toMatchObject({ id: 'u' });
    await expect(admit(task, { url: 'x' })).rejects.toMatchObject({ code: 'invalid_input' });
  });

  test.each([
    [{ id: () => 5 }, 'id of task "a": the function gave number; it must give a string'],
    [{ key: () => undefined }, 'key of task "a": the function gave undefined; it must give a string'],
    [{ lane: () => 'urgent' }, 'lane of task "a": the function gave string; it must give high, normal or low'],
    [{ tenant: () => JSON.parse('x') }, 'tenant of task "a": the function threw for this input'],
  ])('a policy that goes wrong refuses the input: %o', (policy, message) => {
    const app: unknown = { tasks: [{ ...defineTask({ name: 'a', input, run }), policy }], schedules: [], config: {} };
    const task = registry(resolveApp(app)).taskOf('a');
    expect(() => admit(task, { url: 'u' })).toThrow(expect.objectContaining({ code: 'invalid_input', message }));
  });
});

describe('in the worker', () => {
  test('the input is parsed, so that a transform runs once', () => {
    expect(parseInput(only(defineTask({ name: 'a', input, run })), { url: 'u', words: '3' })).toEqual({
      url: 'u',
      words: 3,
    });
  });

  test('the output is parsed by its schema', () => {
    const task = only(
      defineTask({ name: 'a', input, output: z.object({ n: z.number().default(1) }), run: async () => ({}) }),
    );
    expect(parseOutput(task, {})).toEqual({ n: 1 });
    expect(() => parseOutput(task, { n: 'x' })).toThrow(/^output of task "a": n: /);
  });

  test('a task without an output has none, whatever its handler returned', () => {
    expect(parseOutput(only(defineTask({ name: 'a', input, run })), 5)).toBeUndefined();
  });
});
