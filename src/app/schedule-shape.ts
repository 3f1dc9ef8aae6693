/** What a schedule may say. */
import { z } from 'zod';
import type { ScheduleSpec } from '../bus/queue.ts';
import { parseCron } from './cron.ts';
import type { Names } from './resolved.ts';
import { closed, duration, known, token } from './shape.ts';

const period = closed({ every: duration(1_000) });

/** Cron text in six fields, or a period in ms. */
const when = z.unknown().transform((value, ctx): ScheduleSpec => {
  if (typeof value === 'string') {
    const cron = parseCron(value);
    if ('cron' in cron) return cron;
    ctx.addIssue({ code: 'custom', message: cron.mistake });
    return z.NEVER;
  }
  const parsed = period.safeParse(value);
  if (parsed.success) return parsed.data;
  for (const { message, path } of parsed.error.issues) ctx.addIssue({ code: 'custom', message, path });
  return z.NEVER;
});

/** In the zone's own spelling: what NATS looks it up by is case-sensitive, and it knows no offsets. */
const timezone = z.string().transform((name, ctx): string => {
  try {
    if (/^[A-Za-z]/.test(name)) return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone;
  } catch {
    // Unknown to the zone database: the same mistake as no name at all.
  }
  ctx.addIssue({
    code: 'custom',
    message: `"${name.slice(0, 40)}" is no time zone; give a name such as "Europe/Berlin"`,
  });
  return z.NEVER;
});

export const scheduleShape = ({ tasks }: Names) =>
  closed({
    name: token,
    task: known('task', tasks),
    cron: when,
    timezone: timezone.optional(),
    input: z.unknown().optional(),
    overlap: z.enum(['skip', 'allow'], { error: 'not "skip" or "allow"' }).default('skip'),
  })
    .refine(({ cron, timezone: zone }) => zone === undefined || 'cron' in cron, {
      path: ['timezone'],
      error: 'a period has none; leave it out, or give a cron expression',
    })
    .transform(({ cron, timezone: zone, input, ...rest }) =>
      Object.freeze({
        ...rest,
        input,
        when: 'cron' in cron && zone !== undefined ? { ...cron, timezone: zone } : cron,
      }),
    );
