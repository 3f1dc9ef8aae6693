/** What a task has done so far. A recorded step is answered from the record and never runs again. */
import { AmbiguousStepError, FencedError, NonRetryableError } from '../kernel/errors.ts';
import { valueOf } from './fit.ts';
import { throughJson } from './json.ts';
import type { TaskPorts } from './ports.ts';
import { type Json, type Step, stepsMax } from './record.ts';
import { stepped } from './transitions.ts';
import type { RecordWriter } from './writer.ts';

export interface Stepped {
  readonly value: Json | undefined;
  readonly replayed: boolean;
  readonly ms: number;
}

export interface Journal {
  /**
   * The recorded result of the step, or else what `run` answers, once that is recorded. Throws `AmbiguousStepError` for
   * a pair of name and key that this attempt has used, `FencedError` if the task is another's by now, and what `run` throws.
   */
  step(name: string, key: string | undefined, run: () => unknown): Promise<Stepped>;
}

const identity = (name: string, key: string | undefined): string => `${name}\u0000${key ?? ''}`;

/** `writer` resolves when it is known whose the task is, with `undefined` if another's; until then no step runs. */
export const journal = (ports: TaskPorts, writer: Promise<RecordWriter | undefined>): Journal => {
  let used: Set<string> | undefined;
  let recorded: ReadonlyMap<string, Step> | undefined;

  const claim = (name: string, key: string | undefined): string => {
    const pair = identity(name, key);
    used ??= new Set();
    if (used.has(pair))
      throw new AmbiguousStepError(
        `step "${name}"${key === undefined ? '' : ` with key "${key}"`} is used twice in this task; give each its own key`,
      );
    if (used.size >= stepsMax) throw new NonRetryableError(`more than ${stepsMax} steps in one task; split it`);
    used.add(pair);
    return pair;
  };

  return {
    step: async (name, key, run) => {
      const pair = claim(name, key);
      const held = await writer;
      if (!held) throw new FencedError(`step "${name}" was not run: the task is another attempt's`);
      recorded ??= new Map(held.record().steps.map((step) => [identity(step.name, step.key), step]));
      const known = recorded.get(pair);
      if (known) return { value: await valueOf(ports, known.result, known.ref), replayed: true, ms: known.ms };

      const from = ports.clock.monotonic();
      const result = throughJson(await run(), `the result of step "${name}"`);
      const ms = Math.round(ports.clock.monotonic() - from);
      const step: Step = {
        name,
        ...(key === undefined ? {} : { key }),
        ...(result === undefined ? {} : { result }),
        at: new Date(ports.queue.now()).toISOString(),
        ms,
      };
      await held.write((record) => stepped(record, step));
      return { value: result, replayed: false, ms };
    },
  };
};

export const isFenced = (error: unknown): error is FencedError => error instanceof FencedError;
