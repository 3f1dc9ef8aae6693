import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { defineTask } from '../../src/app/task.ts';

const input = z.object({ n: z.number() });

describe('defineTask', () => {
  test('keeps the contract, the policy and the handler apart', () => {
    const run = async (): Promise<{ m: number }> => ({ m: 1 });
    const output = z.object({ m: z.number() });
    const task = defineTask({ name: 'a', pool: 'bulk', timeout: '2m', input, output, run });
    expect(task).toEqual({
      name: 'a',
      input,
      output,
      policy: { pool: 'bulk', timeout: '2m' },
      handler: run,
      run: expect.any(Function),
      runBatch: expect.any(Function),
    });
  });

  test('makes a contract where there is no handler', () => {
    const contract = defineTask({ name: 'a', input });
    expect(contract).toEqual({
      name: 'a',
      input,
      policy: {},
      run: expect.any(Function),
      runBatch: expect.any(Function),
    });
  });

  test('a contract is completed as a new task, and stays what it was', () => {
    const contract = defineTask({ name: 'a', pool: 'bulk', input });
    const handler = async (): Promise<void> => {};
    const task = contract.run(handler);
    expect(task).not.toBe(contract);
    expect(task).toMatchObject({ name: 'a', input, policy: { pool: 'bulk' }, handler });
    expect(contract.handler).toBeUndefined();
  });

  test('cannot be changed afterwards', () => {
    const task = defineTask({ name: 'a', pool: 'bulk', input });
    expect(Object.isFrozen(task) && Object.isFrozen(task.policy)).toBe(true);
  });
});
