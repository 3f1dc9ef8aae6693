/** What the workers report, and what the provider logs: lines of JSON. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';

const report = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('waited'),
    tenant: z.string(),
    askedMs: z.number(),
    waitedMs: z.number(),
    granted: z.boolean(),
  }),
  /** By the machine's clock; `inTime` as its permit had it after the write. */
  z.object({ type: z.literal('sent'), request: z.string(), sentMs: z.number(), inTime: z.boolean() }),
  z.object({ type: z.literal('answered'), request: z.string(), status: z.number() }),
  z.object({ type: z.literal('failed'), request: z.string(), why: z.string() }),
  /** Between check and write. */
  z.object({ type: z.literal('stopped'), fromMs: z.number(), toMs: z.number() }),
]);

const arrival = z.object({
  atMs: z.number(),
  headMs: z.number(),
  asked: z.number(),
  outcome: z.enum(['answered', 'refused', 'failed']),
  request: z.string().optional(),
});

export type Report = z.infer<typeof report>;
export type LoggedArrival = z.infer<typeof arrival>;

export const linesOf = async (file: string): Promise<readonly unknown[]> => {
  const text = await readFile(file, 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
};

export const readReports = async (files: readonly string[]): Promise<readonly Report[]> =>
  (await Promise.all(files.map(linesOf))).flat().map((line) => report.parse(line));

export const readArrivals = async (file: string): Promise<readonly LoggedArrival[]> =>
  (await linesOf(file)).map((line) => arrival.parse(line));
