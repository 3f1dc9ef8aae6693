/** Everything that is measured, in the shape in which it is written as JSON. A figure is the list of its rounds. */

export interface Figure {
  /** As measured; empty if it could not be run. */
  readonly rounds: number[];
  readonly better: 'more' | 'less';
  /** Digits after the point that mean something. */
  readonly digits: number;
}

const figure = (better: Figure['better'], digits: number) => (): Figure => ({ rounds: [], better, digits });
const rate = figure('more', 0);
const cpu = figure('less', 1);
const ms = figure('less', 2);
const fine = figure('less', 3);
const mb = figure('less', 1);

const throughput = () => ({ raw: rate(), troupe: rate(), troupe_projected: rate(), bullmq: rate() });
const submit = () => ({ raw: rate(), troupe: rate(), bullmq: rate(), troupe_single: rate(), bullmq_single: rate() });

export const newFigures = () => ({
  /**
   * Tasks per second of one worker process, once it has done as many. `troupe_projected`: it writes to Postgres as well.
   */
  throughput: { lazy: throughput(), always: throughput() },
  /** The same of the first tasks that the process does, while its code is compiled. */
  throughput_new: { lazy: throughput(), always: throughput() },
  /** CPU time of that process for each task, in µs, sync lazy. */
  cpu_us: { raw: cpu(), troupe: cpu(), troupe_projected: cpu(), bullmq: cpu() },
  /** Tasks per second of one producer process. `single`: one call for each. */
  submit: { lazy: submit(), always: submit() },
  /** Tasks per second from submit to record, a producer and a worker process at once, sync lazy. */
  flow: { raw: rate(), troupe: rate(), bullmq: rate() },
  /** From just before the submit, at 200 a second. */
  latency: { raw_p50_ms: ms(), raw_p99_ms: ms(), troupe_p50_ms: ms(), troupe_p99_ms: ms(), result_p50_ms: ms() },
  /** From the kill of a node with 10 tasks until the last of them runs elsewhere. */
  recovery: { kill_ms: figure('less', 0)() },
  memory: { rss_20k_mb: mb(), rss_100k_mb: mb() },
  /** With a model that answers at once. */
  model: { bare_p50_ms: ms(), troupe_p50_ms: ms(), added_p50_ms: ms() },
  /** One client process: 256 in flight, and one by one; `raw` are bare requests to an echo. */
  permits: { raw_per_s: rate(), troupe_per_s: rate(), raw_p50_ms: fine(), troupe_p50_ms: fine() },
});

export type Figures = ReturnType<typeof newFigures>;

export const best = ({ rounds, better }: Figure): number | null => {
  if (rounds.length === 0) return null;
  return better === 'more' ? Math.max(...rounds) : Math.min(...rounds);
};

export const median = ({ rounds }: Figure): number | null => {
  const sorted = rounds.toSorted((a, b) => a - b);
  const low = sorted[Math.floor((sorted.length - 1) / 2)];
  const high = sorted[Math.floor(sorted.length / 2)];
  return low === undefined || high === undefined ? null : (low + high) / 2;
};

interface Tree {
  readonly [name: string]: Tree | Figure;
}
interface Leaves<Value> {
  readonly [name: string]: Leaves<Value> | Value;
}

const isFigure = (node: Tree | Figure): node is Figure => Array.isArray(node.rounds);

/** The tree with what `of` makes of each figure in its place. */
export const mapped = <Value>(tree: Tree, of: (figure: Figure) => Value): Leaves<Value> =>
  Object.fromEntries(Object.entries(tree).map(([name, node]) => [name, isFigure(node) ? of(node) : mapped(node, of)]));

export const rounded = (value: number | null, { digits }: Pick<Figure, 'digits'>): number | null =>
  value === null ? null : Number(value.toFixed(digits));
