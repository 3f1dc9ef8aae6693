import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { admission } from '../../src/app/admission.ts';
import { defineApp } from '../../src/app/app.ts';
import { registry } from '../../src/app/registry.ts';
import { resolveApp } from '../../src/app/resolve.ts';
import { type AnyTask, defineTask } from '../../src/app/task.ts';
import type { Envelope } from '../../src/task/envelope.ts';
import type { Json } from '../../src/task/record.ts';

const note = z.object({ to: z.string(), n: z.number().default(1) });
const mail = defineTask({ name: 'mail', pool: 'mails', deadline: '1h', input: note, run: async () => {} });

const open = (task: AnyTask = mail, config: object = {}) => {
  const app = resolveApp(defineApp({ tasks: [task], pools: { mails: {}, bulk: {} }, ...config }));
  const { admit } = admission(registry(app));
  return (input: Json, envelope: Partial<Envelope> = {}, type = task.name) =>
    Promise.resolve().then(() => admit(type, input, { headers: {}, ...envelope }, 10));
};

describe('a task at the door', () => {
  test('goes where its own policy sends it, with its own deadline', async () => {
    expect(await open()({ to: 'a' })).toEqual({
      route: { pool: 'mails', lane: 'normal', partition: '0' },
      envelope: { deadlineMs: 3_600_000, headers: {} },
    });
  });

  test('keeps what its submitter said, before what its policy says', async () => {
    const task = defineTask({
      name: 'mail',
      pool: 'mails',
      input: note,
      lane: 'low',
      deadline: '1h',
      id: ({ to }) => `id ${to}`,
      key: ({ to }) => to,
      tenant: ({ n }) => `t${n}`,
      title: ({ to }) => `To ${to}`,
      run: async () => {},
    });
    expect(await open(task)({ to: 'a' })).toMatchObject({
      route: { lane: 'low' },
      id: 'id a',
      envelope: { key: 'a', tenant: 't1', title: 'To a', deadlineMs: 3_600_000 },
    });
    const said = { id: 'mine', key: 'k', tenant: 'x', lane: 'high', deadlineMs: 5 } as const;
    expect(await open(task)({ to: 'a' }, said)).toMatchObject({ route: { lane: 'high' }, id: 'mine', envelope: said });
  });

  test('has the deadline that was given as a date, and not its own beside it', async () => {
    const { envelope } = await open()({ to: 'a' }, { deadlineAt: 99 });
    expect(envelope).toEqual({ deadlineAt: 99, headers: {} });
  });

  test('is sent elsewhere by the first rule that matches it', async () => {
    const classify = [
      { when: ({ tenant }: { readonly tenant?: string }) => tenant === 'vip', lane: 'high' },
      { when: () => true, pool: 'bulk' },
    ];
    const admit = open(mail, { classify });
    expect((await admit({ to: 'a' })).route).toMatchObject({ pool: 'bulk', lane: 'normal' });
    expect((await admit({ to: 'a' }, { tenant: 'vip' })).route).toMatchObject({ pool: 'mails', lane: 'high' });
  });

  test('is refused where its input does not fit, where nobody knows it, and where its pool does not serve it', async () => {
    await expect(open()({ to: 7 })).rejects.toMatchObject({ code: 'invalid_input', issues: [{ path: ['to'] }] });
    await expect(open()({ to: 'a' }, {}, 'mial')).rejects.toMatchObject({
      code: 'unknown_task',
      message: expect.stringContaining('"mail"'),
    });
    const rule = [{ when: () => true, pool: 'bulk' }];
    const pools = { mails: {}, bulk: { serves: ['other'] } };
    const other = defineTask({ name: 'other', pool: 'bulk', input: z.null(), run: async () => {} });
    const served = resolveApp(defineApp({ tasks: [mail, other], pools, classify: rule }));
    expect(() => admission(registry(served)).admit('mail', { to: 'a' }, { headers: {} }, 10)).toThrow(
      'does not serve task "mail"',
    );
  });

  test('is refused where its policy makes of its input what no header can hold', async () => {
    const keyed = (key: string) => open(defineTask({ name: 'mail', input: note, key: () => key, run: async () => {} }));
    for (const key of ['', 'a\nb', 'x'.repeat(513)])
      await expect(keyed(key)({ to: 'a' })).rejects.toMatchObject({
        code: 'invalid_input',
        message: expect.stringContaining("the task's key"),
      });
    expect(await keyed('käy 1')({ to: 'a' })).toMatchObject({ envelope: { key: 'käy 1' } });
  });

  test('has a title that is short, and is cut between characters', async () => {
    const task = defineTask({ name: 'mail', input: note, title: () => `${'x'.repeat(199)}😀`, run: async () => {} });
    const { envelope } = await open(task)({ to: 'a' });
    expect(envelope.title).toHaveLength(200);
    expect(encodeURIComponent(envelope.title ?? '')).toContain('xxx');
  });

  test('waits for a schema that waits', async () => {
    const slow = z.string().refine(async (value) => value.length > 1);
    const admit = open(defineTask({ name: 'mail', input: slow, run: async () => {} }));
    await expect(admit('a')).rejects.toMatchObject({ code: 'invalid_input' });
    expect(await admit('ab')).toMatchObject({ route: { pool: 'default' } });
  });
});
