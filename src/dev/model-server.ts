/**
 * A model server for development and tests: speaks OpenAI's protocol over real HTTP, takes the time a model takes,
 * enforces limits as a provider does, and says in every answer that it is simulated. What it can be asked to do badly
 * (be slow, fail, cut a stream) is what providers do on a bad day.
 */
import { LLMock } from '@copilotkit/aimock';
import type { Clock } from '../kernel/clock.ts';
import { systemClock } from '../kernel/clock.ts';
import { type Random, seededRandom } from '../kernel/random.ts';
import { counterOf } from '../llm/tokens.ts';
import { type Answer, answer } from './model-answer.ts';
import { type Arrival, arrivalLog } from './model-arrivals.ts';
import { gate, type Note } from './model-gate.ts';
import { type Limits, slidingWindow } from './model-window.ts';

export interface ModelServerOptions {
  /** On 127.0.0.1; a free one by default. */
  readonly port?: number;
  /** What half of the answers take at most; 300. Most take half to double that. 0 answers at once. */
  readonly latencyMs?: number;
  /**
   * None by default. A request past one of them is answered 429 at once, with `retry-after`. Its tokens are counted when
   * it arrives: those that its `x-troupe-reserved` header names, and that is that; else its input, and its
   * `max_completion_tokens` or `max_tokens`, or what the answer will have where it says neither: once it is answered,
   * what it has used counts in their place, as of its arrival.
   */
  readonly limits?: Limits;
  /** A file to which each arrival is appended, as a line of JSON. */
  readonly log?: string;
  /** Of the latencies; 1. */
  readonly seed?: number;
  readonly clock?: Clock;
}

export type { Arrival };

export interface ModelServer {
  /** Base URL for OpenAI's clients; ends in `/v1`. */
  readonly url: string;
  readonly limits: Limits;
  /** Oldest first; the last 100,000 of them. */
  arrivals(): readonly Arrival[];
  /** How many were answered 429. */
  readonly refused: number;
  /** Every latency from now on is `factor` times what it would be; 1 is as usual. */
  slowBy(factor: number): void;
  /** The next `count` admitted requests are answered `status`; 500. */
  failNext(count: number, status?: number): void;
  /** The next `count` streams break off after `chunks`; 3. */
  cutNext(count: number, chunks?: number): void;
  stop(): Promise<void>;
}

/** What aimock calls for each request. */
type ResponseFactory = Extract<Parameters<LLMock['on']>[1], (...args: never[]) => unknown>;
type ChatRequest = Parameters<ResponseFactory>[0];
type Reply = Awaited<ReturnType<ResponseFactory>>;

/** Log-normal: never below 0, most near the median, a few far above it. */
const latency = (random: Random, medianMs: number): number => {
  const normal = Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
  return medianMs * Math.exp(0.35 * normal);
};

const tooMany = (retryAfterMs: number): Reply => ({
  error: {
    message: 'Rate limit of the simulated model reached',
    type: 'rate_limit_error',
    code: 'rate_limit_exceeded',
  },
  status: 429,
  retryAfter: Math.ceil(retryAfterMs / 1000), // The header has no smaller unit.
});

const broken = (status: number): Reply => ({
  error: { message: `The simulated model fails with ${status}, as it was told to`, type: 'server_error' },
  status,
});

const said = ({ text, call, inputTokens, outputTokens }: Answer, model: string): Reply => ({
  ...(call ? { toolCalls: [call] } : { content: text }),
  model: `simulated-${model}`,
  systemFingerprint: 'simulated',
  usage: { prompt_tokens: inputTokens, completion_tokens: outputTokens },
});

/** Whose turn it is to fail: each call of `take` uses one up. */
interface Faults {
  add(count: number, status: number): void;
  take(): number | undefined;
}

const faults = (): Faults => {
  const statuses: number[] = [];
  return {
    add: (count, status) => void statuses.push(...Array<number>(count).fill(status)),
    take: () => statuses.shift(),
  };
};

interface Provider {
  respond(request: ChatRequest, note?: Note): Promise<Reply>;
  readonly arrivals: readonly Arrival[];
  slowBy(factor: number): void;
  failNext: Faults['add'];
  close(): void;
}

/** All but HTTP: log, window, latency, answer. */
const provider = (
  { latencyMs = 300, limits = {}, seed = 1, clock = systemClock, log }: ModelServerOptions,
  count: (text: string) => number,
): Provider => {
  const random = seededRandom(seed);
  const window = slidingWindow(limits);
  const failing = faults();
  const arrivals = arrivalLog(log);
  let slowness = 1;

  const respond = async (request: ChatRequest, note?: Note): Promise<Reply> => {
    // Never older than one that was counted before: aimock has its own order of turning to them.
    const atMs = Math.max(note?.bodyMs ?? clock.monotonic(), arrivals.all.at(-1)?.atMs ?? 0);
    const { model } = request;
    const reply = answer(request, count); // Known before it is given, so that the window can count its tokens as they arrive.
    const tokens = note?.reserved ?? reply.inputTokens + reply.outputMax;
    const seen = {
      atMs,
      headMs: note?.headMs ?? atMs,
      model,
      asked: tokens,
      ...(note?.request && { request: note.request }),
      ...(note?.key && { key: note.key }),
    };
    const admission = window.admit(atMs, tokens);
    if (!admission.admitted) {
      arrivals.add({ ...seen, tokens: 0, outcome: 'refused' });
      return tooMany(admission.retryAfterMs);
    }
    const status = failing.take();
    const used = arrivals.add({ ...seen, tokens, outcome: status === undefined ? 'answered' : 'failed' });
    if (latencyMs > 0) await clock.sleep(slowness * latency(random, latencyMs));
    if (status !== undefined) {
      admission.settle();
      return broken(status);
    }
    const really = note?.reserved ?? reply.inputTokens + reply.outputTokens;
    admission.settle(really);
    used(really);
    return said(reply, model);
  };

  return {
    respond,
    arrivals: arrivals.all,
    failNext: failing.add,
    slowBy: (factor) => void (slowness = factor),
    close: arrivals.close,
  };
};

export const startModelServer = async (options: ModelServerOptions = {}): Promise<ModelServer> => {
  // Counted as the models whose protocol this is count.
  const { respond, arrivals, slowBy, failNext, close } = provider(options, await counterOf('o200k_base'));
  const { mountable, take } = gate((options.clock ?? systemClock).monotonic);
  const mock = new LLMock({ host: '127.0.0.1', port: options.port ?? 0, journalMaxEntries: 1 });
  const arrive: ResponseFactory = (request) => respond(request, take(request._context));
  mock.mount('/v1/chat', mountable);
  mock.on({ endpoint: 'chat' }, arrive);
  const url = await mock.start();
  return {
    url: `${url}/v1`,
    limits: options.limits ?? {},
    arrivals: () => [...arrivals],
    get refused() {
      return arrivals.filter(({ outcome }) => outcome === 'refused').length;
    },
    slowBy,
    failNext: (count, status = 500) => failNext(count, status),
    cutNext: (count, chunks = 3) => {
      let left = count;
      const cut: ResponseFactory = (request) => {
        left -= 1;
        return arrive(request);
      };
      const predicate = ({ stream }: ChatRequest): boolean => stream === true && left > 0;
      mock.prependFixture({ match: { endpoint: 'chat', predicate }, response: cut, truncateAfterChunks: chunks });
    },
    stop: async () => {
      await mock.stop();
      close();
    },
  };
};
