/** Contestants are processes of their own: `node <script>.ts <job>`; by IPC they tell when they are ready, are told to go on, and tell what came out. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

type Word<Result> = { readonly type: 'ready' } | { readonly type: 'result'; readonly result: Result };

export interface Script<Result> {
  readonly pid: number;
  /** Resolves when it says that it is ready; rejects when it ends before. */
  readonly ready: Promise<void>;
  /** What it says at its end; rejects when it ends without a word. */
  readonly result: Promise<Result>;
  /** Lets it go on that is ready, and waits for that. */
  goOn(): void;
  kill(): Promise<void>;
}

export const startScript = <Job, Result>(name: string, job: Job): Script<Result> => {
  const file = fileURLToPath(new URL(`${name}.ts`, import.meta.url));
  const child = fork(file, [JSON.stringify(job)], { execArgv: ['--disable-warning=ExperimentalWarning'] });
  const ready = Promise.withResolvers<void>();
  const result = Promise.withResolvers<Result>();
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.on('message', (word: Word<Result>) => {
    ready.resolve();
    if (word.type === 'result') result.resolve(word.result);
  });
  const gone = (): void => {
    const error = new Error(`${name} ended before it was done`);
    ready.reject(error);
    result.reject(error);
  };
  child.once('exit', gone);
  for (const { promise } of [ready, result]) promise.catch(() => undefined); // Whoever waits for it gets the rejection.
  return {
    pid: child.pid ?? 0,
    ready: ready.promise,
    result: result.promise,
    goOn: () => void child.send('go on'),
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
};

/** Runs it to its end. */
export const runScript = async <Job, Result>(name: string, job: Job): Promise<Result> => {
  const script = startScript<Job, Result>(name, job);
  try {
    return await script.result;
  } finally {
    await script.kill();
  }
};

/** In the script: its job. */
export const jobOf = <Job>(): Job => JSON.parse(process.argv[2] ?? '{}');

/** In the script. */
export const sayReady = (): void => void process.send?.({ type: 'ready' });
/** The same; resolves when it is told to go on. */
export const readyUntilTold = (): Promise<void> =>
  new Promise((resolve) => {
    process.once('message', () => resolve());
    sayReady();
  });
export const sayResult = (result: unknown): void => void process.send?.({ type: 'result', result });
