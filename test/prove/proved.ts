/** `npm run prove:limiter`, shortened: windows of 2 s and few processes, unless `args` say otherwise. */
import { rm } from 'node:fs/promises';
import { onTestFinished } from 'vitest';
import { parseOptions } from '../../prove/options.ts';
import { type Proof, prove } from '../../prove/prove.ts';
import { scratch } from '../setup/scratch.ts';

const few = ['--window', '2s', '--nodes', '2', '--candidates', '3', '--workers', '60'];

export const proved = async (...args: readonly string[]): Promise<{ readonly proof: Proof; readonly out: string }> => {
  const out = await scratch('troupe-prove-');
  onTestFinished(() => rm(out, { recursive: true, force: true }));
  const options = parseOptions(['--out', out, ...few, ...args]);
  if (!options) throw new Error('these are options');
  return { proof: await prove(options, () => undefined), out };
};
