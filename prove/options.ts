/** The command line. */
import { parseArgs } from 'node:util';
import { toMs } from '../src/kernel/duration.ts';

export interface Options {
  readonly windowMs: number;
  readonly minutes: number;
  readonly faults: boolean;
  /** Worker processes, and workers in all of them together. */
  readonly nodes: number;
  readonly workers: number;
  /** Processes that stand by: as many as nodes, for on each of them one does. With few, none may have seen every slice. */
  readonly candidates: number;
  /** The longest delay on the way to the provider; by default half of what the guarantee allows, X. */
  readonly delayMs: number | undefined;
  readonly seed: number;
  readonly out: string;
  /** The module that is proved. */
  readonly contestant: string;
}

export const usage = `npm run prove:limiter -- [--window 10s] [--minutes 6] [--faults all|none] [--out prove/out]
    [--nodes 8] [--workers 200] [--candidates 8] [--delay MS] [--seed 1]

Sends five times what a budget allows through the limiter, for the first half of the minutes without faults and for the
second half with them, and judges by the provider's own log. Writes verdict.json and arrivals.svg to --out. Ends with 1
if something is not as it has to be. Wall clocks jump in the system itself where libfaketime is installed (apt-get install
libfaketime) or LIBFAKETIME names its libfaketimeMT.so.1; else inside the processes.
`;

const number = (name: string, text: string, least = 1): number => {
  const value = Number(text);
  if (!Number.isFinite(value) || value < least)
    throw new TypeError(`--${name} takes a number from ${least}; this is "${text}"`);
  return value;
};

/** `undefined`: usage was asked for. Throws TypeError for what it does not know. */
export const parseOptions = (argv: readonly string[]): Options | undefined => {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      window: { type: 'string', default: '10s' },
      minutes: { type: 'string', default: '6' },
      faults: { type: 'string', default: 'all' },
      nodes: { type: 'string', default: '8' },
      workers: { type: 'string', default: '200' },
      candidates: { type: 'string', default: '8' },
      delay: { type: 'string' },
      seed: { type: 'string', default: '1' },
      out: { type: 'string', default: 'prove/out' },
      limiter: { type: 'string', default: new URL('troupe.ts', import.meta.url).href },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  if (values.faults !== 'all' && values.faults !== 'none')
    throw new TypeError(`--faults takes all or none; this is "${values.faults}"`);
  const windowMs = toMs(values.window, '--window', { minMs: 1_000, maxMs: 3_600_000 });
  const minutes = number('minutes', values.minutes, 0.1);
  if (minutes * 60_000 < 8 * windowMs) throw new TypeError(`--minutes ${minutes} is less than 8 windows: give more`);
  return {
    windowMs,
    minutes,
    faults: values.faults === 'all',
    nodes: number('nodes', values.nodes),
    workers: number('workers', values.workers),
    candidates: number('candidates', values.candidates),
    delayMs: values.delay === undefined ? undefined : number('delay', values.delay, 0),
    seed: number('seed', values.seed, 0),
    out: values.out,
    contestant: values.limiter,
  };
};
