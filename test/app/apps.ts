import { z } from 'zod';
import { resolveApp } from '../../src/app/resolve.ts';
import { type AnyTask, defineTask } from '../../src/app/task.ts';
import { ConfigurationError } from '../../src/kernel/errors.ts';

export const task = (name: string, policy: object = {}): AnyTask =>
  defineTask({ name, input: z.object({ n: z.number().optional() }), run: async () => {}, ...policy });

/** An app as JavaScript may write it: what no type stands in front of. */
export const loose = ({ tasks = [task('a')], schedules = [], ...config }: Record<string, unknown>): object => ({
  tasks,
  schedules,
  config,
});

export const mistakesOf = (app: unknown): readonly string[] => {
  try {
    resolveApp(app);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.mistakes;
    throw error;
  }
  return [];
};

/** What is wrong, the app that has it wrong, and the whole of what is told. */
export type Mistake = readonly [title: string, app: Record<string, unknown>, told: string];
