/** `npm run prove:limiter`, shortened: windows of 2 s, for half a minute in all. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { parseOptions } from '../../prove/options.ts';
import { type Proof, prove } from '../../prove/prove.ts';

const dirs: string[] = [];
afterEach(async () => {
  for (const dir of dirs.splice(0)) await rm(dir, { recursive: true, force: true });
});

const proved = async (...args: readonly string[]): Promise<{ readonly proof: Proof; readonly out: string }> => {
  const out = await mkdtemp(join(tmpdir(), 'troupe-prove-'));
  dirs.push(out);
  const options = parseOptions([
    '--out',
    out,
    '--window',
    '2s',
    '--nodes',
    '2',
    '--candidates',
    '3',
    '--workers',
    '60',
    ...args,
  ]);
  if (!options) throw new Error('these are options');
  return { proof: await prove(options, () => undefined), out };
};

describe('the proof of the limiter', () => {
  it('shows that Troupe never sends more than a budget, through faults', { timeout: 120_000 }, async () => {
    const { proof, out } = await proved('--minutes', '0.5');
    // On a machine that is busy with other tests, requests may be on their way for longer than the guarantee assumes.
    // What it says of them is then that they alone are what is too much; all else holds whatever the machine does.
    const { beyond, over } = proof.assumptions.travel;
    expect(over).toBe(0);
    const others = proof.objections.filter((sentence) => !/^over the limit|answered 429/.test(sentence));
    expect(beyond > 0 ? others : proof.objections).toEqual([]);
    const faults = Object.keys(proof.faults).join(', ');
    for (const kind of ['holder', 'worker stopped', 'wall clock jumped']) expect(faults).toContain(kind);
    expect(await readFile(join(out, 'arrivals.svg'), 'utf8')).toContain('holder ');
    expect(JSON.parse(await readFile(join(out, 'verdict.json'), 'utf8'))).toMatchObject({ passed: proof.passed });
  });

  it('objects to a limiter that there is one of in each process', { timeout: 60_000 }, async () => {
    const limiter = new URL('replicated.ts', import.meta.url).href;
    const { proof } = await proved('--window', '1s', '--minutes', '0.14', '--faults', 'none', '--limiter', limiter);
    expect(proof.passed).toBe(false);
    expect(proof.objections.join('\n')).toMatch(/over the limit: \d+ requests arrived in the 1000 ms/);
    expect(proof.objections.join('\n')).toMatch(/the provider answered 429 to \d+/);
  });

  it('refuses options that would show nothing', () => {
    expect(() => parseOptions(['--minutes', '1'])).toThrow('8 windows');
    expect(() => parseOptions(['--faults', 'some'])).toThrow('all or none');
    expect(() => parseOptions(['--window', 'soon'])).toThrow('--window');
    expect(() => parseOptions(['--nodes', 'no'])).toThrow('--nodes');
    expect(parseOptions(['--help'])).toBeUndefined();
  });
});
