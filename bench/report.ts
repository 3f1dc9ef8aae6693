/** What was measured: as text for people, as JSON for programs. */
import type { Environment } from './environment.ts';
import { best, type Figure, type Figures, mapped, median, rounded } from './figures.ts';
import { shown, type Table, tableText } from './table.ts';
import { type Target, targetsOf, verdictOn } from './targets.ts';

export interface Measured {
  readonly figures: Figures;
  readonly environment: Environment;
}

/** `figures` best of the rounds, as the keys say; all of them beside it. */
export const jsonOf = ({ figures, environment }: Measured) => ({
  ...mapped(figures, (figure) => rounded(best(figure), figure)),
  ratios: Object.fromEntries(targetsOf(figures).map((target) => [target.name, rounded(target.best, { digits: 3 })])),
  targets: targetsOf(figures).map((target) => ({ ...target, verdict: verdictOn(target) })),
  medians: mapped(figures, (figure) => rounded(median(figure), figure)),
  rounds: mapped(figures, (figure) => figure.rounds.map((value) => rounded(value, figure))),
  environment,
});

export const textOf = ({ figures, environment }: Measured): string => {
  const run = tablesOf(figures).filter(({ rows }) => rows.length > 0);
  const asked: Table = {
    title: 'Asked for',
    columns: ['best · median', 'asked', ''],
    rows: targetsOf(figures).map((target) => [target.text, pair(target, 2), bound(target), verdictOn(target)]),
  };
  return [...preface(environment), ...[...run, asked].map(tableText)].join('\n\n');
};

const preface = (about: Environment): readonly string[] => {
  const redis =
    about.redis === null
      ? 'not run: no redis-server on PATH (apt-get install redis-server)'
      : `on Redis ${about.redis}`;
  return [
    [
      `${about.tasks} tasks of 200 bytes, ${about.at_once} at once, ${about.rounds} rounds in turns; each figure: best · median of them`,
      `${about.cpu}, ${about.cores} cores, load ${about.load} before the start; Node ${about.node.slice(1)}, nats-server ${about.nats_server}`,
      `BullMQ ${about.bullmq} ${redis}; ${about.postgres ? 'Postgres and the projector where it says so' : 'neither Postgres nor projector'}`,
    ].join('\n'),
  ];
};

const pair = ({ best: first, median: middle }: Pick<Target, 'best' | 'median'>, digits: number): string =>
  first === null ? '–' : `${shown(first, digits)} · ${shown(middle, digits)}`;

const cell = (figure: Figure): string => pair({ best: best(figure), median: median(figure) }, figure.digits);

const bound = ({ bound: of }: Target): string => ('least' in of ? `at least ${of.least}` : `at most ${of.most}`);

type Row = readonly [name: string, ...figures: readonly Figure[]];

/** Rows of which nothing was run are left out. */
const table = (title: string, columns: readonly string[], rows: readonly Row[]): Table => ({
  title,
  columns,
  rows: rows
    .filter(([, ...figures]) => figures.some(({ rounds }) => rounds.length > 0))
    .map(([name, ...figures]) => [name, ...figures.map(cell)]),
});

/** A row for each of those that are compared, with its figure in each column. */
const compared = <Name extends string>(
  names: readonly (readonly [name: Name, shown: string])[],
  ...columns: readonly Readonly<Record<Name, Figure>>[]
): readonly Row[] => names.map(([name, text]) => [text, ...columns.map((column) => column[name])]);

const workers = [
  ['raw', 'raw JetStream loop'],
  ['troupe', 'Troupe, projected elsewhere'],
  ['troupe_projected', 'Troupe, its node projecting into Postgres'],
  ['bullmq', 'BullMQ'],
] as const;

const flows = [
  ['raw', 'raw JetStream loop'],
  ['troupe', 'Troupe, submitMany, projected elsewhere'],
  ['bullmq', 'BullMQ, addBulk'],
] as const;

const producers = [
  ['raw', 'raw publish with a message id'],
  ['troupe', 'Troupe, submitMany'],
  ['bullmq', 'BullMQ, addBulk'],
  ['troupe_single', 'Troupe, submit, pipelined'],
  ['bullmq_single', 'BullMQ, add, pipelined'],
] as const;

const lazily = ['sync 1 s'];
const bothWays = ['sync 1 s', 'sync always'];

const tablesOf = ({
  throughput,
  throughput_new,
  cpu_us: cpu,
  flow,
  submit,
  latency,
  recovery,
  memory,
  permits,
  model,
}: Figures): readonly Table[] => [
  table(
    'Tasks per second, one worker process with a backlog',
    bothWays,
    compared(workers, throughput.lazy, throughput.always),
  ),
  table(
    'The same, the first tasks of a new process',
    bothWays,
    compared(workers, throughput_new.lazy, throughput_new.always),
  ),
  table('CPU time of that process per task, µs', lazily, compared(workers, cpu)),
  table('Tasks per second, submitted and done at once', lazily, compared(flows, flow)),
  table('Submits per second, one producer process', bothWays, compared(producers, submit.lazy, submit.always)),
  table(
    'Milliseconds at 200 tasks a second, sync 1 s',
    ['p50', 'p99'],
    [
      ['raw, publish to delivery', latency.raw_p50_ms, latency.raw_p99_ms],
      ['Troupe, submit to start', latency.troupe_p50_ms, latency.troupe_p99_ms],
      ['Troupe, submit to result', latency.result_p50_ms],
    ],
  ),
  table('Recovery, ms', ['ack wait 30 s'], [['node killed with 10 tasks, all run elsewhere', recovery.kill_ms]]),
  table(
    'Memory of a node, MB RSS',
    ['20,000 tasks', '100,000 tasks'],
    [['after', memory.rss_20k_mb, memory.rss_100k_mb]],
  ),
  table(
    'Permits, one client process',
    ['per second, 256 in flight', 'ms, one by one, p50'],
    [
      ['raw request and reply', permits.raw_per_s, permits.raw_p50_ms],
      ['Troupe, a permit taken and settled', permits.troupe_per_s, permits.troupe_p50_ms],
    ],
  ),
  table(
    'A call of a model that answers at once, ms',
    ['p50'],
    [
      ['as it is', model.bare_p50_ms],
      ['by ctx.model', model.troupe_p50_ms],
    ],
  ),
];
