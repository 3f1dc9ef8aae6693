/** `npm run prove:journal`, shortened. */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { parseOptions } from '../../prove/journal/options.ts';
import { type Proof, prove } from '../../prove/journal/prove.ts';
import { scratch } from '../setup/scratch.ts';

const dirs: string[] = [];
afterEach(async () => {
  for (const dir of dirs.splice(0)) await rm(dir, { recursive: true, force: true });
});

const proved = async (...args: readonly string[]): Promise<{ readonly proof: Proof; readonly out: string }> => {
  const out = await scratch('troupe-prove-');
  dirs.push(out);
  const options = parseOptions(['--out', out, '--minutes', '2', ...args]);
  if (!options) throw new Error('these are options');
  return { proof: await prove(options, () => undefined), out };
};

describe('the proof of the journal', () => {
  it('shows that no recorded call is made again, however nodes die', { timeout: 180_000 }, async () => {
    const { proof, out } = await proved('--tasks', '60', '--kills', '6', '--nodes', '3');
    expect(proof.objections).toEqual([]);
    expect(proof).toMatchObject({ passed: true, completed: 60, provider: { calls: 360 }, tools: { calls: 180 } });
    expect(proof.repeatedRecorded).toEqual([]);
    expect(Object.keys(proof.kills).toSorted()).toEqual(['acking', 'answered', 'random', 'recorded', 'streaming']);
    // Who died at these points had just been answered, or was about to be.
    expect(proof.otherRepeats).toBeGreaterThanOrEqual(2);
    expect(JSON.parse(await readFile(join(out, 'verdict.json'), 'utf8'))).toMatchObject({ passed: true });
    console.info(`6 kills: ${proof.otherRepeats} calls made again, ${proof.spared} that needed not be`);
  });

  it('objects to agents that repeat what has been recorded', { timeout: 120_000 }, async () => {
    const { proof } = await proved('--tasks', '10', '--kills', '0', '--nodes', '2', '--plant');
    expect(proof.passed).toBe(false);
    expect(proof.repeatedRecorded).toHaveLength(10);
    expect(proof.objections.at(-1)).toBe('10 calls were made whose result had been recorded');
  });

  it('refuses options that make no run', () => {
    expect(() => parseOptions(['--tasks', '3'])).toThrow('--tasks takes a number from 10');
    expect(() => parseOptions(['--tasks', '20', '--kills', '5'])).toThrow('--kills takes a number from 0 to 4');
    expect(() => parseOptions(['--nodes', '1'])).toThrow('--nodes');
    expect(parseOptions(['--help'])).toBeUndefined();
  });
});
