/**
 * How calls of one kind go out. What goes through `limitedFetch` is checked at the wire. Of any other transport nobody
 * sees the first byte: its permit is checked when its call begins, and between that and the wire are JSON, DNS and TCP, so
 * a process that stands still there is late without being told.
 */
import type { Log } from '../kernel/log.ts';
import type { Metrics } from '../kernel/metrics.ts';
import { nameOf } from './route.ts';

export interface Transport {
  /** `undefined` where the next call may go either way. */
  readonly wired: boolean | undefined;
  /** A call has shown it. */
  show(wired: boolean): void;
}

/** That of calls of which each may go another way, whatever the one before it did. */
export const anyTransport: Transport = { wired: undefined, show: () => {} };

export interface Provided {
  /** The app's name for the model. */
  readonly name: string;
  readonly model: { readonly provider: string; readonly modelId: string };
}

/** That of a model's provider, which may be given the fetch, and works without it, too: said once, and counted. */
export const providerTransport = (
  { log, metrics }: { readonly log: Log; readonly metrics: Pick<Metrics, 'limiterUnwired'> },
  { name, model }: Provided,
): Transport => {
  const count = metrics.limiterUnwired.labels(name);
  let known: boolean | undefined;
  let told = false;
  const unseen = (): void => {
    count.inc();
    if (told) return;
    told = true;
    log.warn(
      { model: name, by: nameOf({ model }) },
      'a provider of this model uses a fetch of its own: permits are checked before its calls begin, and not at the wire; give it modelFetch',
    );
  };
  return {
    get wired() {
      return known;
    },
    show: (wired) => {
      known = wired;
      if (!wired) unseen();
    },
  };
};
