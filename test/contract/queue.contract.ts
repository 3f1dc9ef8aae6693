import { describe } from 'vitest';
import { consumeContract } from './consume.contract.ts';
import { publishContract } from './publish.contract.ts';
import { scheduleContract } from './schedule.contract.ts';
import { streamsContract } from './streams.contract.ts';
import { tailContract } from './tail.contract.ts';
import type { Make } from './world.ts';

/** What `Queue` promises, whatever is behind it. */
export const queueContract = (make: Make): void => {
  describe('publishing and reading', () => publishContract(make));
  describe('streams and consumers', () => streamsContract(make));
  describe('consuming', () => consumeContract(make));
  describe('tails', () => tailContract(make));
  describe('schedules', () => scheduleContract(make));
};
