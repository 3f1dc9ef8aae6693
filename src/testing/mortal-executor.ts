/**
 * Handlers of a node that can die. Nothing stops code that runs in the test's own process, but it gets nothing more out of
 * a node that is gone: what it awaits of its context never settles, and no step of it begins.
 */
import type { Attempt, Executor } from '../task/executor.ts';
import type { Journal } from '../task/journal.ts';

interface Mortal {
  readonly dead: boolean;
}

export const mortalExecutor = (node: Mortal, executor: Executor): Executor => ({
  task: (type) => {
    const runnable = executor.task(type);
    return runnable && { ...runnable, run: (attempt) => runnable.run(mortalAttempt(node, attempt)) };
  },
});

/** What `promise` comes to, unless the node is dead by then. */
const whileAlive = <T>(node: Mortal, promise: Promise<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    void promise.then(
      (value) => !node.dead && resolve(value),
      (error: unknown) => !node.dead && reject(error),
    );
  });

const mortalAttempt = (node: Mortal, attempt: Attempt): Attempt => ({
  ...attempt,
  journal: mortalJournal(node, attempt.journal),
  emit: (event) => !node.dead && attempt.emit(event),
});

const mortalJournal = (node: Mortal, journal: Journal): Journal => ({
  ...journal,
  step: (name, key, run, usageOf) => {
    const runAlive: typeof run = (underway) => (node.dead ? new Promise(() => {}) : run(underway));
    return whileAlive(node, journal.step(name, key, runAlive, usageOf));
  },
});
