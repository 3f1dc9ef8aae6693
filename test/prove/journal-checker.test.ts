import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Arrival, type Evidence, judge } from '../../prove/journal/checker.ts';
import { keyOf, type Ledger, ledger, type Revision } from '../../prove/journal/ledger.ts';

const callsOfTask = { model: 2, tools: 1 };
const steps = [
  { name: 'model:agent', key: 'h1' },
  { name: 'tool:pay', key: 'c1' },
  { name: 'model:agent', key: 'h2' },
];
const keysOf = (task: string): readonly string[] => steps.map((step) => keyOf(task, step));
/** Each was made 1 ms before it was recorded. */
const first = (n: number, fromMs: number) =>
  steps.slice(0, n).map((step, at) => ({ ...step, at: new Date(fromMs + 100 * (at + 1) - 1).toISOString() }));

/** Two tasks whose calls arrive 10 ms before they are recorded, one each 100 ms; the second begins anew before its third. */
const revisions = (): readonly Revision[] => {
  const of = (task: string, fromMs: number, anew: boolean) => [
    { task, atMs: fromMs, value: { status: 'running', attempt: 1 } },
    ...[1, 2].map((n) => ({
      task,
      atMs: fromMs + 100 * n,
      value: { status: 'running', attempt: 1, steps: first(n, fromMs) },
    })),
    ...(anew ? [{ task, atMs: fromMs + 250, value: { status: 'running', attempt: 2, steps: first(2, fromMs) } }] : []),
    { task, atMs: fromMs + 300, value: { status: 'completed', attempt: anew ? 2 : 1, steps: first(3, fromMs) } },
  ];
  return [...of('agent.1', 1_000, false), ...of('agent.2', 2_000, true)].map((one, n) => ({ ...one, revision: n + 1 }));
};

const told = (all: readonly Revision[] = revisions()): Ledger => {
  const one = ledger(0);
  for (const each of all) one.see(each);
  return one;
};

const arrivals = (): readonly Arrival[] =>
  [1, 2].flatMap((task) =>
    keysOf(`agent.${task}`).map((key, n) => ({
      side: n === 1 ? ('tools' as const) : ('provider' as const),
      key,
      atMs: 1_000 * task + 100 * (n + 1) - 10,
    })),
  );

const evidence = (more: Partial<Evidence> = {}, { tasks, calls, spared }: Ledger = told()): Evidence => ({
  tasks: 2,
  callsOfTask,
  states: tasks,
  recorded: calls,
  arrivals: arrivals(),
  kills: [{ how: 'random', node: 'node-1', atMs: 2_220 }],
  workersOfNode: 1,
  planned: { kills: 1, kinds: ['random'] },
  spared: spared(),
  waiting: 0,
  ...more,
});

const objectionsTo = (more: Partial<Evidence>): string => judge(evidence(more)).objections.join('\n');

describe('the checker of the journal', () => {
  it('passes calls that were made once, and counts what an attempt found recorded', () => {
    expect(judge(evidence())).toMatchObject({ passed: true, objections: [], otherRepeats: 0, spared: 2, completed: 2 });
  });

  it('passes a call that was made again because its result had not been recorded, and counts it', () => {
    const again = { side: 'provider' as const, key: keyOf('agent.2', steps[2] ?? { name: '' }), atMs: 2_260 };
    const verdict = judge(evidence({ arrivals: [...arrivals(), again] }));
    expect(verdict).toMatchObject({ passed: true, otherRepeats: 1, provider: { arrivals: 5, calls: 4, repeats: 1 } });
  });

  it('catches any one call that is made again once its result has been recorded', () => {
    const { calls } = told();
    fc.assert(
      fc.property(
        fc.constantFrom(...arrivals()),
        fc.integer({ min: 1, max: 100_000 }),
        fc.nat({ max: 6 }),
        (one, late, at) => {
          const repeated = { ...one, atMs: (calls.get(one.key ?? '')?.atMs ?? 0) + late };
          const verdict = judge(evidence({ arrivals: arrivals().toSpliced(at, 0, repeated) }));
          expect(verdict.passed).toBe(false);
          expect(verdict.repeatedRecorded).toMatchObject([{ key: one.key, side: one.side }]);
          expect(verdict.objections).toContain('1 calls were made whose result had been recorded');
          expect(verdict.otherRepeats).toBe(0);
        },
      ),
    );
  });

  it('objects to more calls made again than kills can have interrupted', () => {
    const again = (atMs: number) => ({ side: 'provider' as const, key: 'agent.2:h2', atMs });
    expect(objectionsTo({ arrivals: [...arrivals(), again(2_260)] })).toBe('');
    expect(objectionsTo({ arrivals: [...arrivals(), again(2_260), again(2_270)] })).toBe(
      '2 calls were made again, and 1 kills can have interrupted 1 at most',
    );
  });

  it('catches a repeat that hides under another key', () => {
    const hidden = { side: 'tools' as const, key: 'agent.2:tool:pay:other', atMs: 2_260 };
    expect(objectionsTo({ arrivals: [...arrivals(), hidden] })).toContain('1 calls arrived, and no task has them');
    const other = { name: 'tool:pay', key: 'other', at: new Date(2_270).toISOString() };
    const both = revisions().map((one) =>
      one.revision === 9
        ? { ...one, value: { status: 'completed', attempt: 2, steps: [...first(3, 2_000), other] } }
        : one,
    );
    const verdict = judge(evidence({ arrivals: [...arrivals(), hidden] }, told(both)));
    expect(verdict.objections).toEqual(['1 tasks have another number of recorded calls than 3: agent.2 with 4']);
  });

  it('objects to requests without a key, to a log that lacks calls, and to tasks that were not completed', () => {
    const nameless = { side: 'tools' as const, key: undefined, atMs: 5_000 };
    expect(objectionsTo({ arrivals: [...arrivals(), nameless] })).toContain('1 requests had no idempotency key');
    expect(objectionsTo({ arrivals: arrivals().slice(1) })).toContain('1 results were recorded of calls that never');
    expect(objectionsTo({ tasks: 3 })).toContain('2 of 3 tasks were completed; others: unknown');
    const states = new Map([...told().tasks, ['agent.1', { status: 'dead', attempt: 5, steps: [] }]]);
    expect(objectionsTo({ states })).toContain('others: agent.1 dead');
    expect(objectionsTo({ waiting: 2 })).toContain('2 messages of tasks were still there');
  });

  it('objects to a run that shows nothing', () => {
    expect(objectionsTo({ kills: [] })).toContain('nodes were killed 0 times; 1 were planned');
    expect(objectionsTo({ planned: { kills: 1, kinds: ['random', 'acking'] } })).toContain('no node died so: acking');
    expect(objectionsTo({ spared: 0 })).toContain('so nothing is shown');
  });
});

describe('the ledger of the records', () => {
  it('dates a result by the revision that first had it', () => {
    expect([...told().calls.values()].map(({ atMs }) => atMs)).toEqual([1_100, 1_200, 1_300, 2_100, 2_200, 2_300]);
  });

  it('dates a result no later than it can have been where revisions were missed', () => {
    const gappy = told(revisions().filter(({ revision }) => revision !== 6));
    expect(gappy.missed()).toBe(1);
    expect(gappy.calls.get('agent.2:h1')?.atMs).toBe(2_099);
    expect(gappy.calls.get('agent.2:h2')?.atMs).toBe(2_300);
    // A task's first revision may have its first result; a gap long before that hides nothing of it.
    const late = told(revisions().filter(({ revision }) => ![2, 5].includes(revision)));
    expect([...late.calls.values()].map(({ atMs }) => atMs)).toEqual([1_099, 1_199, 1_300, 2_099, 2_200, 2_300]);
  });

  it('takes no notice of what it is told again', () => {
    const twice = told(revisions().flatMap((_one, n, all) => all.slice(Math.max(0, n - 2), n + 1)));
    expect(twice.missed()).toBe(0);
    expect([...twice.calls]).toEqual([...told().calls]);
    expect(twice.attempts()).toBe(3);
  });
});
