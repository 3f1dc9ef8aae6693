/** What a service says of itself, as `nats micro` reads it (ADR-32 of NATS). */
export interface Endpoint {
  /** 1 to 64 characters of `A-Z a-z 0-9 _ -`. */
  readonly name: string;
  /** May hold wildcards. */
  readonly subject: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Every service of the name gets every request, instead of one of them; false. */
  readonly everyone?: boolean;
}

export interface Identity {
  readonly name: string;
  readonly id: string;
  /** Semantic, as `1.2.3`. */
  readonly version: string;
  readonly description: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Of one endpoint, since the service began. */
export interface Tally {
  requests: number;
  errors: number;
  lastError: string;
  /** Ms in all. */
  tookMs: number;
}

/** Members of one group share an endpoint's requests; none where each gets all of them. */
export const queueGroupOf = ({ everyone = false }: Endpoint): string | undefined => (everyone ? undefined : 'q');
export const verbs = ['PING', 'INFO', 'STATS'] as const;
export type Verb = (typeof verbs)[number];

export const errorHeader = 'Nats-Service-Error';
export const errorCodeHeader = 'Nats-Service-Error-Code';

/** Where a question to all services, to those of one name, and to one of them arrives. */
export const controlSubjects = (verb: Verb, { name, id }: Identity): readonly string[] => [
  `$SRV.${verb}`,
  `$SRV.${verb}.${name}`,
  `$SRV.${verb}.${name}.${id}`,
];

export const pong = ({ name, id, version, metadata }: Identity) => ({
  type: 'io.nats.micro.v1.ping_response',
  name,
  id,
  version,
  metadata,
});

export const info = (identity: Identity, endpoints: readonly Endpoint[]) => ({
  ...pong(identity),
  type: 'io.nats.micro.v1.info_response',
  description: identity.description,
  endpoints: endpoints.map((endpoint) => ({ ...named(endpoint), metadata: endpoint.metadata ?? {} })),
});

const named = (endpoint: Endpoint) => ({
  name: endpoint.name,
  subject: endpoint.subject,
  queue_group: queueGroupOf(endpoint) ?? '',
});

export interface Stats {
  readonly startedAt: Date;
  readonly served: readonly { readonly endpoint: Endpoint; readonly tally: Tally }[];
}

export const stats = (identity: Identity, { startedAt, served }: Stats) => ({
  ...pong(identity),
  type: 'io.nats.micro.v1.stats_response',
  started: startedAt.toISOString(),
  endpoints: served.map(({ endpoint, tally: { requests, errors, lastError, tookMs } }) => ({
    ...named(endpoint),
    num_requests: requests,
    num_errors: errors,
    last_error: lastError,
    processing_time: nanoseconds(tookMs),
    average_processing_time: requests === 0 ? 0 : nanoseconds(tookMs / requests),
  })),
});

const nanoseconds = (ms: number): number => Math.round(ms * 1_000_000);
