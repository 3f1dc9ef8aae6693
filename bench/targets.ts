/** What is asked of the figures. */
import { best, type Figure, type Figures, median } from './figures.ts';

export interface Target {
  readonly name: string;
  /** What is compared. */
  readonly text: string;
  readonly bound: { readonly least: number } | { readonly most: number };
  /** Best of the rounds with best of the rounds, median with median; null where a part could not be run. */
  readonly best: number | null;
  readonly median: number | null;
}

export const targetsOf = ({
  throughput,
  flow,
  submit,
  latency,
  memory,
  permits,
  model,
}: Figures): readonly Target[] => [
  ratio('tasks_lazy_to_raw', 'tasks/s, sync 1 s: Troupe to raw', throughput.lazy.troupe, throughput.lazy.raw, {
    least: 0.6,
  }),
  ratio('tasks_always_to_raw', 'tasks/s, sync always: Troupe to raw', throughput.always.troupe, throughput.always.raw, {
    least: 0.6,
  }),
  ratio('tasks_lazy_to_bullmq', 'tasks/s, sync 1 s: Troupe to BullMQ', throughput.lazy.troupe, throughput.lazy.bullmq, {
    least: 2,
  }),
  ratio('flow_to_raw', 'the same, submitted meanwhile: Troupe to raw', flow.troupe, flow.raw, { least: 0.6 }),
  ratio('flow_to_bullmq', 'the same, submitted meanwhile: Troupe to BullMQ', flow.troupe, flow.bullmq, { least: 2 }),
  ratio(
    'submit_lazy_to_bullmq',
    'submits/s, sync 1 s, many: Troupe to BullMQ',
    submit.lazy.troupe,
    submit.lazy.bullmq,
    { least: 2 },
  ),
  ratio(
    'submit_single_lazy_to_bullmq',
    'submits/s, sync 1 s, singly: Troupe to BullMQ',
    submit.lazy.troupe_single,
    submit.lazy.bullmq_single,
    { least: 2 },
  ),
  ratio('start_p50_to_raw', 'submit to start, p50: Troupe to raw', latency.troupe_p50_ms, latency.raw_p50_ms, {
    most: 2,
  }),
  limit('start_p99_ms', 'submit to start, p99, ms', latency.troupe_p99_ms, { most: 10 }),
  limit('result_p50_ms', 'submit to result, p50, ms', latency.result_p50_ms, { most: 3 }),
  ratio('rss_growth', 'RSS after 100,000 tasks to RSS after 20,000', memory.rss_100k_mb, memory.rss_20k_mb, {
    most: 1.15,
  }),
  ratio('permits_to_raw', 'permits/s to bare requests/s', permits.troupe_per_s, permits.raw_per_s, { least: 3 }),
  ratio('permit_p50_to_raw', 'a permit, p50, to a bare request', permits.troupe_p50_ms, permits.raw_p50_ms, {
    most: 1.5,
  }),
  limit('model_added_p50_ms', 'what ctx.model adds to a call, p50, ms', model.added_p50_ms, { most: 2 }),
];

const ratio = (name: string, text: string, over: Figure, under: Figure, bound: Target['bound']): Target => ({
  name,
  text,
  bound,
  best: quotient(best(over), best(under)),
  median: quotient(median(over), median(under)),
});

const limit = (name: string, text: string, measured: Figure, bound: Target['bound']): Target => ({
  name,
  text,
  bound,
  best: best(measured),
  median: median(measured),
});

const quotient = (a: number | null, b: number | null): number | null =>
  a === null || b === null || b === 0 ? null : a / b;

const met = (value: number, bound: Target['bound']): boolean =>
  'least' in bound ? value >= bound.least : value <= bound.most;

/** By the best of the rounds, for the machine may be busy with other things; that only they suffice is said too. */
export const verdictOn = ({ best: first, median: middle, bound }: Target): string => {
  if (first === null || middle === null) return 'not run';
  if (!met(first, bound)) return 'MISSED';
  return met(middle, bound) ? 'ok' : 'ok at best, MISSED in the median';
};
