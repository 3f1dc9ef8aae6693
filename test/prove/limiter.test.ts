/** `npm run prove:limiter`, shortened: for half a minute in all. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseOptions } from '../../prove/options.ts';
import { proved } from './proved.ts';

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

  it('refuses options that would show nothing', () => {
    expect(() => parseOptions(['--minutes', '1'])).toThrow('8 windows');
    expect(() => parseOptions(['--faults', 'some'])).toThrow('all or none');
    expect(() => parseOptions(['--window', 'soon'])).toThrow('--window');
    expect(() => parseOptions(['--nodes', 'no'])).toThrow('--nodes');
    expect(parseOptions(['--help'])).toBeUndefined();
  });
});
