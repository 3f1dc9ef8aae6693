/**
 * Whether a limiter held, by what the provider saw: the sums and the refusals are of its log alone. Two things no
 * provider can see: how long somebody waited, which is the workers' word, and what is still reserved, the limiter's.
 */
import { type Event, type Fullest, fullest, type Limit, mean, overs, shares, type Step, steps } from './windows.ts';

export interface Arrived {
  /** When the provider had all of it. */
  readonly atMs: number;
  /** When the provider first knew of it: another provider might count it then, so both have to hold. */
  readonly headMs: number;
  /** Of tokens. What was refused had arrived, too. */
  readonly asked: number;
  readonly outcome: 'answered' | 'refused' | 'failed';
}

export interface Phase {
  readonly name: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** The least that has to be used of the budget, from the end of the first window on; 0 to 1. */
  readonly required: number;
}

/** One request's wait for its permit, in vain or not. */
export interface Wait {
  readonly tenant: string;
  readonly waitedMs: number;
}

/** What the limiter says after the drain. */
export interface Left {
  /** 0, or there is something that it still counts. */
  readonly reserved: number;
  readonly afterMs: number;
}

export interface Evidence {
  readonly limits: readonly Limit[];
  readonly arrivals: readonly Arrived[];
  readonly phases: readonly Phase[];
  /** Of tenants of equal weight. */
  readonly waits: readonly Wait[];
  /** `undefined`: it did not say. */
  readonly left: Left | undefined;
}

/** How much longer than another a tenant of equal weight may wait. */
const spreadMs = 5_000;
/** Fewer windows than this tell little of utilisation. */
export const windowsMin = 10;

const counted = ['atMs', 'headMs'] as const;
type Counted = (typeof counted)[number];

export interface WindowVerdict extends Limit {
  /** By when the provider had all of a request, or by when it first knew of it. */
  readonly counted: Counted;
  readonly fullest: Fullest;
  /** Instants from which on a window held too much. */
  readonly over: number;
}

export interface PhaseVerdict extends Phase {
  readonly utilisation: number;
  readonly windows: number;
}

export interface TenantWaits {
  readonly tenant: string;
  readonly count: number;
  readonly medianMs: number;
  readonly longestMs: number;
}

export interface Verdict {
  readonly passed: boolean;
  /** A sentence for each thing that was not as it has to be. */
  readonly objections: readonly string[];
  readonly arrivals: number;
  readonly refused: number;
  readonly windows: readonly WindowVerdict[];
  readonly phases: readonly PhaseVerdict[];
  readonly tenants: readonly TenantWaits[];
  readonly left: Left | undefined;
}

const eventsOf = (arrivals: readonly Arrived[], { unit }: Limit, when: Counted): readonly Event[] =>
  arrivals.map((one) => ({ atMs: one[when], amount: unit === 'requests' ? 1 : one.asked }));

/** What the windows that end at each instant hold, for each limit, by when the provider had all of a request. */
export const levels = ({ limits, arrivals }: Pick<Evidence, 'limits' | 'arrivals'>) =>
  limits.map((limit) => ({ ...limit, steps: steps(eventsOf(arrivals, limit, 'atMs'), limit.perMs) }));

const windowVerdict = (arrivals: readonly Arrived[], limit: Limit, when: Counted): WindowVerdict => {
  const found = steps(eventsOf(arrivals, limit, when), limit.perMs);
  return { ...limit, counted: when, fullest: fullest(found), over: overs(found, limit.limit) };
};

export const windowVerdicts = (limits: readonly Limit[], arrivals: readonly Arrived[]): readonly WindowVerdict[] =>
  counted.flatMap((when) => limits.map((limit) => windowVerdict(arrivals, limit, when)));

const phaseVerdict = (phase: Phase, longestMs: number, share: readonly Step[]): PhaseVerdict => ({
  ...phase,
  utilisation: mean(share, phase.fromMs + longestMs, phase.toMs),
  windows: Math.max(0, (phase.toMs - phase.fromMs) / longestMs - 1),
});

const tenantWaits = (waits: readonly Wait[]): readonly TenantWaits[] =>
  [...Map.groupBy(waits, ({ tenant }) => tenant)]
    .map(([tenant, of]) => {
      const sorted = of.map(({ waitedMs }) => waitedMs).toSorted((a, b) => a - b);
      const medianMs = sorted[Math.floor(sorted.length / 2)] ?? 0;
      return { tenant, count: of.length, medianMs, longestMs: sorted.at(-1) ?? 0 };
    })
    .toSorted((a, b) => a.tenant.localeCompare(b.tenant));

export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

const words: Record<Counted, string> = { atMs: 'last', headMs: 'first' };

const objectionsTo = ({
  refused,
  arrivals,
  windows,
  phases,
  tenants,
  left,
}: Omit<Verdict, 'passed' | 'objections'>) => {
  const longest = tenants.map(({ longestMs }) => longestMs);
  const spread = tenants.length > 0 ? Math.max(...longest) - Math.min(...longest) : 0;
  return [
    arrivals === 0 && 'nothing arrived at the provider, so nothing is shown',
    ...windows.map(
      ({ over, unit, limit, perMs, fullest: { sum, endsMs }, counted: by }) =>
        over > 0 &&
        `over the limit: ${sum} ${unit} arrived in the ${perMs} ms until ${endsMs.toFixed(1)}, by their ${words[by]} byte; ${limit} are allowed`,
    ),
    refused > 0 && `the provider answered 429 to ${refused} of ${arrivals} requests; it must never have to`,
    ...phases.map(
      ({ name, utilisation, required }) =>
        utilisation < required &&
        `${name}: ${percent(utilisation)} of the budget was used; ${percent(required)} has to be`,
    ),
    spread > spreadMs &&
      `one tenant waited up to ${Math.round(Math.max(...longest))} ms and another up to ${Math.round(Math.min(...longest))} ms; ${spreadMs} ms are the most that may lie between`,
    !left && 'the limiter did not say what is reserved after the drain',
    left &&
      left.reserved > 0 &&
      `${left.reserved} are still reserved ${Math.round(left.afterMs)} ms after the drain; nothing may be`,
  ].filter((sentence) => typeof sentence === 'string');
};

export const judge = (evidence: Evidence): Verdict => {
  const { limits, arrivals, phases, waits, left } = evidence;
  const longestMs = Math.max(...limits.map(({ perMs }) => perMs));
  const share = shares(levels(evidence));
  const found = {
    arrivals: arrivals.length,
    refused: arrivals.filter(({ outcome }) => outcome === 'refused').length,
    windows: windowVerdicts(limits, arrivals),
    phases: phases.map((phase) => phaseVerdict(phase, longestMs, share)),
    tenants: tenantWaits(waits),
    left,
  };
  const objections = objectionsTo(found);
  return { passed: objections.length === 0, objections, ...found };
};
