/** Brings the store's schema up to date before something that needs it starts, however long the store is away. */
import { type Clock, pause } from '../kernel/clock.ts';
import { UnavailableError } from '../kernel/errors.ts';
import type { Log } from '../kernel/log.ts';
import type { Start } from '../kernel/process.ts';
import type { Store } from '../store/store.ts';

export interface MigrationOptions {
  readonly store: Pick<Store, 'migrate'>;
  readonly clock: Clock;
  readonly log: Log;
}

const againMs = 2_000;

/** Ready at once: nothing else waits for the store. */
export const afterMigration =
  ({ store, clock, log }: MigrationOptions, start: Start): Start =>
  (signal) => {
    const migrated = async (): Promise<void> => {
      for (let failures = 0; !signal.aborted; failures++) {
        try {
          return await store.migrate();
        } catch (error) {
          if (!(error instanceof UnavailableError)) throw error;
          if (failures === 0) log.warn({ err: error }, 'the store is away: the projection waits for it');
        }
        await pause(clock, againMs, signal);
      }
    };
    const run = async (): Promise<void> => {
      await migrated();
      if (signal.aborted) return;
      const { exit } = await start(signal);
      await exit;
    };
    return Promise.resolve({ exit: run() });
  };
