/** A budget's limiter as a service: `acquire`, `settle`, `penalize` and `status`, for clients and for `nats`. */
import type { z } from 'zod';
import type { Message } from '../bus/bus.ts';
import { encodeJson } from '../bus/json.ts';
import { subjects } from '../bus/subjects.ts';
import { InvalidInputError } from '../kernel/errors.ts';
import type { Start } from '../kernel/process.ts';
import type { Grantor } from '../limiter/granting/grantor.ts';
import { acquire, penalize, settle } from '../limiter/messages.ts';
import { errorAnswer } from './doors-service.ts';
import type { LimiterOptions } from './limiter.ts';
import { service, type ServiceEndpoint } from './service.ts';

export interface LimiterServiceOptions extends LimiterOptions {
  readonly epoch: number;
  readonly mind: Grantor;
  /** Something has changed: it is time to look who can be granted. */
  readonly soon: () => void;
  /** Whether a successor would know what has changed. If not, this one gives no answer: its client says it again to the next. */
  readonly keep: () => Promise<boolean>;
}

export const limiterService = (options: LimiterServiceOptions): Start => {
  const { budget, node, epoch, mind, clock, metrics, soon, keep } = options;

  const endpoint = (
    verb: 'acquire' | 'settle' | 'penalize' | 'status',
    takes: string,
    answer: (message: Message) => object | undefined | Promise<object | undefined>,
  ): ServiceEndpoint => ({
    name: verb,
    subject: subjects.limiter(budget.name, verb),
    metadata: { takes },
    // Who has just been deposed, or stands still, must not keep what the one after it has to hear.
    everyone: true,
    handle: async (message) => {
      const body = await answer(message);
      return body && encodeJson(body);
    },
  });

  return service({
    ...options,
    name: 'limiter',
    description: `grants permits of budget ${budget.name}`,
    metadata: { node, budget: budget.name, epoch: String(epoch) },
    endpoints: [
      endpoint('acquire', '{"client":"<name>","waiting":[{"id":1,"tokens":100}]}', (message) => {
        mind.list(parsed(acquire, message), message.reply, clock.monotonic());
        soon();
        return undefined;
      }),
      endpoint('settle', '{"client":"<name>","permits":[{"permit":"<id>","type":"unsent"}]}', async (message) => {
        const { unknown, late } = mind.settle(parsed(settle, message), clock.monotonic());
        soon();
        if (late > 0) {
          metrics.limiterLate.labels(budget.name).inc(late);
          if (!(await keep())) return undefined;
        }
        return { unknown };
      }),
      endpoint('penalize', '{"retryAfterMs":1000}', async (message) => {
        const { retryAfterMs } = parsed(penalize, message);
        mind.penalize(retryAfterMs, clock.monotonic());
        metrics.limiterPenalties.labels(budget.name).inc();
        if (!(await keep())) return undefined;
        return { closedMs: mind.closedMs(clock.monotonic()) };
      }),
      endpoint('status', 'nothing', () => ({ budget: budget.name, node, epoch, ...mind.status(clock.monotonic()) })),
    ],
    errorAnswer: (error, message) => errorAnswer(options, error, message),
  });
};

const parsed = <Schema extends z.ZodType>(schema: Schema, { data, subject }: Message): z.output<Schema> => {
  const { success, data: value, error } = schema.safeParse(jsonOf(data));
  if (success) return value;
  const [issue] = error.issues;
  throw new InvalidInputError(`${subject}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'no valid request'}`);
};

const jsonOf = (data: Uint8Array): unknown => {
  try {
    return JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString());
  } catch {
    throw new InvalidInputError('the request is no JSON');
  }
};
