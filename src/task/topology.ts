/** Every stream and consumer there is, as data. None of the limits can drop an accepted task. */
import type { ConsumerSpec, StreamSpec } from '../bus/queue.ts';
import { buckets, consumers, lanes, streams, subjects } from '../bus/subjects.ts';

export interface TopologyOptions {
  readonly region: string;
  readonly pools: readonly PoolQueue[];
  /** How long a delivery may stay unsettled before it is handed out again, in ms. */
  readonly ackWaitMs: number;
  readonly replicas: number;
  /** Bytes of each pool's queue. */
  readonly workBytes: number;
}

/** A pool, and how many of its tasks may be stored at once. */
export interface PoolQueue {
  readonly name: string;
  readonly tasksMax: number;
}

export interface Topology {
  readonly streams: readonly StreamSpec[];
  readonly consumers: readonly ConsumerSpec[];
}

const mb = 1024 * 1024;
const day = 86_400_000;
/** What one message may weigh: the largest input or record, with room for headers. */
const messageBytesMax = 512 * 1024;
/** Deliveries of one lane that may be in workers' hands, over all nodes. */
const lanePendingMax = 20_000;
/** Of the inbox, and of SCHED: what full pools have refused counts, and past it nothing comes to any pool. */
const waitingMax = 200_000;

/** The least that SCHED, which has no limit of its own, is counted with when storage is checked. */
export const schedBytes = 256 * mb;

export const topology = (options: TopologyOptions): Topology => ({
  streams: [
    ...fixedStreams(options),
    ...options.pools.map((pool) => workStream(options, pool)),
    ...bucketStreams(options),
  ],
  consumers: [...fixedConsumers(options), ...options.pools.flatMap(({ name }) => laneConsumers(options, name))],
});

const workStream = (
  { region, replicas, workBytes }: TopologyOptions,
  { name: pool, tasksMax }: PoolQueue,
): StreamSpec => ({
  name: streams.work(region, pool),
  // Those that are served: what anybody published beside them would wait for ever.
  subjects: lanes.map((lane) => subjects.workOfLane(region, pool, lane)),
  keep: 'work',
  maxBytes: workBytes,
  maxMessages: tasksMax,
  maxMsgBytes: messageBytesMax,
  replicas,
  description: `tasks of pool ${pool} that have not ended; full means that submitters are refused`,
});

const fixedStreams = ({ replicas, workBytes }: TopologyOptions): readonly StreamSpec[] => [
  {
    name: streams.inbox,
    subjects: [subjects.tasks],
    keep: 'work',
    maxBytes: workBytes,
    maxMsgBytes: messageBytesMax,
    replicas,
    description: 'tasks from anybody, on their way through ingress',
  },
  {
    name: streams.sched,
    subjects: [subjects.scheds, subjects.dues],
    keep: 'work',
    maxMsgBytes: messageBytesMax,
    schedules: true,
    replicas,
    description: 'delays, long retries and cron; what is due waits here for its pool',
  },
  {
    name: streams.dlq,
    subjects: [subjects.dlqs],
    keep: 'limits',
    maxAgeMs: 30 * day,
    maxBytes: 256 * mb,
    replicas,
    description: 'dead letters: tasks that were given up, with cause and input',
  },
  {
    name: streams.tokens,
    subjects: [subjects.tokensAll],
    keep: 'limits',
    storage: 'memory',
    // For ten minutes after the end of a run, from its beginning, where it takes no longer than that.
    maxAgeMs: 1_200_000,
    maxBytes: 256 * mb,
    replicas: 1,
    description: 'what running tasks show: progress, steps, tokens; twenty minutes',
  },
];

const bucketStreams = ({ replicas }: TopologyOptions): readonly StreamSpec[] =>
  [
    { bucket: buckets.tasks, maxBytes: 2048 * mb, description: 'one record a task' },
    { bucket: buckets.groups, maxBytes: 64 * mb, description: 'which tasks were submitted as one group' },
    { bucket: buckets.crons, maxBytes: 1 * mb, description: 'the last firing of each schedule' },
    { bucket: buckets.gates, maxBytes: 1 * mb, description: 'what keeps submitters out for a while' },
    { bucket: buckets.cache, maxBytes: 128 * mb, description: 'answers of models that may be given again' },
    { bucket: buckets.limits, maxBytes: 16 * mb, description: 'one key a budget: who grants, and what it has taken' },
  ].map(({ bucket, ...spec }) => ({
    ...spec,
    name: streams.bucket(bucket),
    subjects: [subjects.entry(bucket, '>')],
    keep: 'last',
    replicas,
  }));

const laneConsumers = ({ region, ackWaitMs }: TopologyOptions, pool: string): readonly ConsumerSpec[] =>
  lanes.map((lane) => ({
    stream: streams.work(region, pool),
    name: consumers.lane(pool, lane),
    filter: subjects.workOfLane(region, pool, lane),
    ackWaitMs,
    maxAckPending: lanePendingMax,
  }));

const fixedConsumers = ({ ackWaitMs }: TopologyOptions): readonly ConsumerSpec[] => [
  { stream: streams.inbox, name: consumers.ingress, filter: subjects.tasks, ackWaitMs, maxAckPending: waitingMax },
  { stream: streams.sched, name: consumers.due, filter: subjects.dues, ackWaitMs, maxAckPending: waitingMax },
];
