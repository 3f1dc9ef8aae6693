/** The command line. */
import { parseArgs } from 'node:util';

export interface Options {
  readonly tasks: number;
  /** How often a node is killed. */
  readonly kills: number;
  readonly nodes: number;
  /** After which the run is given up. */
  readonly minutes: number;
  /** What half of the model's answers take at most. */
  readonly latencyMs: number;
  readonly seed: number;
  /** Whether each agent repeats a recorded call on purpose. */
  readonly plant: boolean;
  readonly out: string;
}

export const usage = `npm run prove:journal -- [--tasks 1000] [--kills 50] [--nodes 4] [--minutes 15] [--latency 150]
    [--seed 1] [--out prove/out-journal] [--plant]

Runs agents of 6 model calls and 3 tool calls each on nodes that are killed with -9, at random and at failpoints, and
judges by the provider's and the tools' own logs whether a call was made again whose result had been recorded. A node is
spared while it has a task that has lost three workers: after five, Troupe takes a task for what kills them. --minutes
are the most that it may take. With --plant each agent repeats a recorded call, and the run has to fail. Writes verdict.json to --out. Ends with 1 if something is not as it has to be.
`;

const number = (name: string, text: string, least: number, most: number): number => {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < least || value > most)
    throw new TypeError(`--${name} takes a number from ${least} to ${most}; this is "${text}"`);
  return value;
};

/** `undefined`: usage was asked for. Throws TypeError for what it does not know. */
export const parseOptions = (argv: readonly string[]): Options | undefined => {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      tasks: { type: 'string', default: '1000' },
      kills: { type: 'string', default: '50' },
      nodes: { type: 'string', default: '4' },
      minutes: { type: 'string', default: '15' },
      latency: { type: 'string', default: '150' },
      seed: { type: 'string', default: '1' },
      out: { type: 'string', default: 'prove/out-journal' },
      plant: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const tasks = Math.round(number('tasks', values.tasks, 10, 1_000_000));
  return {
    tasks,
    kills: Math.round(number('kills', values.kills, 0, tasks / 5)),
    nodes: Math.round(number('nodes', values.nodes, 2, 32)),
    minutes: number('minutes', values.minutes, 0.1, 1_440),
    latencyMs: number('latency', values.latency, 1, 60_000),
    seed: Math.round(number('seed', values.seed, 0, 2 ** 31)),
    plant: values.plant,
    out: values.out,
  };
};
