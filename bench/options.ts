/** The command line. */
import { parseArgs } from 'node:util';

const sections = ['throughput', 'flow', 'submit', 'latency', 'recovery', 'memory', 'permits', 'model'] as const;
export type Section = (typeof sections)[number];

export interface Options {
  readonly only: readonly Section[];
  readonly tasks: number;
  readonly rounds: number;
  /** Where the figures go as JSON. */
  readonly json: string | undefined;
}

export const usage = `npm run bench -- [--only ${sections.join(',')}] [--tasks 20000] [--rounds 3] [--json FILE]

Measures Troupe beside a hand-written loop on JetStream and beside BullMQ, in turns, on servers of its own.
BullMQ needs redis-server on PATH (apt-get install redis-server); without it its figures are null.
`;

const isSection = (name: string): name is Section => sections.some((section) => section === name);

const number = (name: string, text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new TypeError(`--${name} takes a whole number from 1; this is "${text}"`);
  return value;
};

/** `undefined`: usage was asked for. Throws TypeError for what it does not know. */
export const parseOptions = (argv: readonly string[]): Options | undefined => {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      only: { type: 'string', default: sections.join(',') },
      tasks: { type: 'string', default: '20000' },
      rounds: { type: 'string', default: '3' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const only = values.only.split(',').filter(isSection);
  if (only.length !== values.only.split(',').length)
    throw new TypeError(`--only takes ${sections.join(', ')} with commas between`);
  return { only, tasks: number('tasks', values.tasks), rounds: number('rounds', values.rounds), json: values.json };
};
