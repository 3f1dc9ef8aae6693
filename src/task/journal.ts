/** What a task has done so far. A recorded step is answered from the record and never runs again. */
import { AmbiguousStepError, FencedError, NonRetryableError } from '../kernel/errors.ts';
import { optional } from '../kernel/optional.ts';
import { valueOf } from './fit.ts';
import { storableText, throughJson } from './json.ts';
import type { Life } from './lives.ts';
import type { TaskPorts } from './ports.ts';
import { type Json, type OpenCall, type Step, stepsMax, type Usage } from './record.ts';
import { called, stepped } from './transitions.ts';
import type { RecordWriter } from './writer.ts';

export interface Stepped {
  readonly value: Json | undefined;
  readonly replayed: boolean;
  readonly ms: number;
}

/** What a step is given that calls somebody else's service. */
export interface Underway {
  /** Such a call of an attempt that vanished, whose answer had begun. */
  readonly interrupted: OpenCall | undefined;
  /**
   * Writes down that the answer has begun, under the service's own name for the request. Rejects as `step` does; who
   * must not wait for it goes on meanwhile.
   */
  begun(requestId: string): Promise<void>;
}

export interface Journal {
  /**
   * The recorded result of the step, or else what `run` answers, once that is recorded. Throws `AmbiguousStepError` for
   * a pair of name and key that this attempt has used, unless it failed, `FencedError` if the task is another's by now or
   * the attempt is over, and what `run` throws. `usageOf`: what a result that was not replayed has cost; counted in the
   * same write.
   */
  step(
    name: string,
    key: string | undefined,
    run: (underway: Underway) => unknown,
    usageOf?: (result: Json | undefined) => Usage,
  ): Promise<Stepped>;
  /** Recorded steps that this attempt has not asked for, by `<name>` or `<name>:<key>`; none before its first step. */
  unused?(): readonly string[];
  /** All recorded steps, likewise, oldest first. */
  recorded?(): readonly string[];
}

const titleOf = ({ name, key }: Pick<Step, 'name' | 'key'>): string => (key === undefined ? name : `${name}:${key}`);

/**
 * For how long it counts that nobody had a record of the task when it began. Until this attempt has written something, a
 * twin, or a delivery that the server has forgotten, may be at the same task, and record what this one is about to do.
 */
const unwrittenMs = 20;

const identity = (name: string, key: string | undefined): string => `${name}\u0000${key ?? ''}`;

/** `writer` resolves when it is known whose the task is, with `undefined` if another's; until then no step runs. */
export const journal = (
  ports: TaskPorts,
  writer: Promise<RecordWriter | undefined>,
  life: Pick<Life, 'isDoubtful' | 'confirm'>,
): Journal => {
  let used: Set<string> | undefined;
  let recorded: ReadonlyMap<string, Step> | undefined;
  let interrupted: readonly OpenCall[] | undefined;
  let holding: RecordWriter | undefined;
  let lookedAtMs = ports.clock.monotonic();

  /** Whether the task may be another's by now. */
  const isDoubtful = (held: RecordWriter): boolean =>
    life.isDoubtful() || (!held.isWritten() && ports.clock.monotonic() - lookedAtMs > unwrittenMs);

  const makeSure = async (held: RecordWriter): Promise<void> => {
    const askedAtMs = ports.clock.monotonic();
    await life.confirm(held.confirm);
    lookedAtMs = askedAtMs;
  };

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

  /** Not recorded yet: answers how long it took too. */
  const make = async (
    held: RecordWriter,
    { name, key }: Pick<Step, 'name' | 'key'>,
    run: Parameters<Journal['step']>[2],
    usageOf: Parameters<Journal['step']>[3],
  ): Promise<Stepped> => {
    const what = key === undefined ? { name } : { name, key };
    const now = (): string => new Date(ports.queue.now()).toISOString();
    const from = ports.clock.monotonic();
    const answered = await run({
      interrupted: interrupted?.find((call) => call.name === name && call.key === key),
      begun: (requestId) => held.write((record) => called(record, { ...what, requestId, at: now() })),
    });
    const result = throughJson(answered, `the result of step "${name}"`);
    const ms = Math.round(ports.clock.monotonic() - from);
    const step: Step = { ...what, ...(result === undefined ? {} : { result }), at: now(), ms };
    await held.write((record) => stepped(record, step, usageOf?.(result)));
    return { value: result, replayed: false, ms };
  };

  return {
    unused: () => [...(recorded ?? [])].flatMap(([pair, step]) => (used?.has(pair) ? [] : [titleOf(step)])),
    recorded: () => (holding?.record().steps ?? []).map(titleOf),
    step: async (given, givenKey, run, usageOf) => {
      // As they come back from the record.
      const [name, key] = [storableText(given), givenKey === undefined ? undefined : storableText(givenKey)];
      const pair = claim(name, key);
      const held = await writer;
      if (!held || held.ended())
        throw new FencedError(`step "${name}" was not run: the task is another attempt's, or this one is over`);
      holding = held;
      interrupted ??= held.record().calls ?? [];
      recorded ??= new Map(held.record().steps.map((step) => [identity(step.name, step.key), step]));
      const known = recorded.get(pair);
      if (known) return { value: await valueOf(ports, known.result, known.ref), replayed: true, ms: known.ms };
      try {
        if (isDoubtful(held)) await makeSure(held);
        return await make(held, optional({ name, key }), run, usageOf);
      } catch (error) {
        used?.delete(pair); // Nothing is recorded under it: who catches this may try again.
        throw error;
      }
    },
  };
};
