/**
 * Stands still where it hurts most: between the check that says a request may leave and the write that sends it. The
 * process stops itself there (SIGSTOP), whole; whoever armed it wakes it again.
 */
import type { Permit } from '../src/limiter/permits.ts';
import { machineMs } from './process.ts';

export interface Failpoint {
  /** The next check that says yes before `untilMs`, by the machine's clock, is where the process stops, once. */
  arm(untilMs: number): void;
  wrap(permit: Permit): Permit;
}

export const failpoint = (stopped: (fromMs: number, toMs: number) => void): Failpoint => {
  let armedUntilMs = 0;
  const stop = (): void => {
    const fromMs = machineMs();
    armedUntilMs = 0;
    process.kill(process.pid, 'SIGSTOP');
    stopped(fromMs, machineMs());
  };
  return {
    arm: (untilMs) => void (armedUntilMs = untilMs),
    wrap: (permit) => ({
      ...permit,
      inTime: () => {
        const yes = permit.inTime();
        if (yes && machineMs() < armedUntilMs) stop();
        return yes;
      },
    }),
  };
};
