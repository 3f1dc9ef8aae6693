/** The processes that take part: each a script of this folder, with a job, orders over IPC, and a word or two back. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface Running<Order> {
  readonly pid: number;
  /** What it has said so far, and will say. */
  said(what: string): Promise<string>;
  order(order: Order): void;
  signal(signal: NodeJS.Signals): void;
  readonly exit: Promise<void>;
}

export interface Word {
  readonly word: string;
  /** What there is to say beyond that. */
  readonly more: string;
}

const isWord = (message: unknown): message is Word =>
  typeof message === 'object' && message !== null && 'word' in message && 'more' in message;

/** `env` beside ours. It ends with us: its script ends when the channel to us closes. */
export const run = <Job, Order extends object>(
  script: string,
  job: Job,
  env: Record<string, string> = {},
): Running<Order> => {
  const file = fileURLToPath(new URL(`${script}.ts`, import.meta.url));
  const child: ChildProcess = fork(file, [JSON.stringify(job)], { execArgv: [], env: { ...process.env, ...env } });
  const heard = new Map<string, PromiseWithResolvers<string>>();
  const about = (what: string): PromiseWithResolvers<string> => {
    const known = heard.get(what) ?? Promise.withResolvers<string>();
    heard.set(what, known);
    return known;
  };
  child.on('message', (message) => {
    if (isWord(message)) about(message.word).resolve(message.more);
  });
  child.on('error', () => undefined); // An order to one that has just been killed.
  const exit = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    pid: child.pid ?? 0,
    said: async (what) => {
      const ended = exit.then(() => {
        throw new Error(`${script} ended before it said "${what}"`);
      });
      return Promise.race([about(what).promise, ended]);
    },
    order: (order) => void (child.connected && child.send(order, () => undefined)),
    signal: (signal) => void child.kill(signal),
    exit,
  };
};

/** In the script: its job. It ends when whoever gave it that has ended. */
export const jobOf = <Job>(): Job => {
  process.on('disconnect', () => process.exit());
  return JSON.parse(process.argv[2] ?? '{}');
};

export const say = (word: string, more = ''): void => void process.send?.({ word, more } satisfies Word);

export const onOrder = <Order>(act: (order: Order) => void): void =>
  void process.on('message', (order: Order) => act(order));

/** The machine's own monotonic clock: the same for all of its processes. */
export const machineMs = (): number => Number(process.hrtime.bigint()) / 1e6;
