// Who may import whom under src/: lower layers never import higher ones, and each library has its place.
// The first layer whose pattern fits a file is the file's; every file must have one.

const schemas = ['zod', '@standard-schema/spec'];
const model = ['ai', '@ai-sdk/provider'];

export interface Layer {
  readonly name: string;
  /** Fits the paths of its files under src/, and of what is built of them under dist/. */
  readonly files: RegExp;
  /** Layers whose values and types it may import. */
  readonly may: readonly string[];
  /** Layers of which it may import types only. */
  readonly mayTypes?: readonly string[];
  readonly packages: readonly string[];
}

export interface Import {
  /** A path under the same folder, or a package's name. */
  readonly target: string;
  readonly packaged: boolean;
  readonly typeOnly: boolean;
}

const layers: readonly Layer[] = [
  { name: 'kernel', files: /^kernel\//, may: [], packages: ['pino', 'prom-client'] },
  {
    name: 'ports',
    files: /^(bus\/(ack-wait|blobs|bus|headers|json|queue|subjects)|store\/store)\./,
    may: ['kernel'],
    packages: ['zod'],
  },
  {
    name: 'bus on NATS',
    files: /^bus\/nats\//,
    may: ['kernel', 'ports'],
    packages: [
      '@nats-io/nats-core',
      '@nats-io/transport-node',
      '@nats-io/jetstream',
      '@nats-io/kv',
      '@nats-io/obj',
      'zod',
    ],
  },
  { name: 'bus in memory', files: /^bus\/memory\//, may: ['kernel', 'ports'], packages: [] },
  { name: 'store adapters', files: /^store\//, may: ['kernel', 'ports'], packages: ['pg', 'drizzle-orm', 'zod'] },
  { name: 'kv', files: /^kv\//, may: ['kernel', 'ports'], packages: ['zod'] },
  { name: 'supervisor', files: /^supervisor\//, may: ['kernel'], packages: ['ts-pattern'] },
  { name: 'task', files: /^task\//, may: ['kernel', 'ports', 'kv'], packages: ['zod', 'ts-pattern'] },
  {
    name: 'actors',
    files: /^actors\//,
    may: ['kernel', 'ports', 'kv', 'task', 'limiter', 'supervisor'],
    packages: ['lru-cache', 'ts-pattern', ...schemas],
  },
  { name: 'limiter', files: /^limiter\//, may: ['kernel', 'ports', 'kv'], packages: ['zod', 'ts-pattern'] },
  {
    name: 'llm',
    files: /^llm\//,
    may: ['kernel', 'ports', 'kv', 'task', 'limiter'],
    packages: ['zod', 'ts-pattern', 'undici', 'gpt-tokenizer', 'lru-cache', ...model],
  },
  // What submitting is on either side of the wire; with the rest of app/ a client would carry handlers along.
  { name: 'envelope', files: /^app\/envelope\./, may: ['kernel', 'ports', 'task'], mayTypes: ['app'], packages: [] },
  {
    name: 'app',
    files: /^app\//,
    may: ['kernel', 'ports', 'task', 'limiter', 'llm', 'envelope'],
    packages: ['ts-pattern', ...schemas, ...model],
  },
  {
    name: 'client',
    files: /^client\//,
    may: ['kernel', 'ports', 'kv', 'task', 'envelope'],
    mayTypes: ['app'],
    packages: schemas,
  },
  {
    name: 'web',
    files: /^web\//,
    may: ['kernel', 'ports', 'task', 'client'],
    packages: ['hono', '@hono/node-server', 'zod'],
  },
  {
    name: 'npm start',
    files: /^dev\/start\./,
    may: ['kernel', 'ports', 'bus on NATS', 'store adapters', 'kv', 'app', 'connect', 'dev'],
    packages: [],
  },
  {
    name: 'dev',
    files: /^dev\//,
    may: ['kernel', 'ports', 'kv', 'task', 'llm', 'client'],
    packages: ['@copilotkit/aimock', 'zod'],
  },
  {
    name: 'runtime',
    files: /^runtime(\.|\/)/,
    may: ['kernel', 'ports', 'kv', 'supervisor', 'task', 'actors', 'limiter', 'llm', 'envelope', 'app'],
    packages: [],
  },
  {
    name: 'testing',
    files: /^testing\//,
    may: [
      'kernel',
      'ports',
      'bus in memory',
      'store adapters',
      'kv',
      'supervisor',
      'task',
      'actors',
      'limiter',
      'llm',
      'envelope',
      'app',
      'client',
      'runtime',
    ],
    packages: [...schemas, ...model],
  },
  {
    name: 'connect',
    files: /^connect\./,
    may: ['kernel', 'ports', 'bus on NATS', 'task', 'app', 'client'],
    packages: [],
  },
  {
    name: 'public API',
    files: /^index\./,
    may: ['kernel', 'ports', 'connect', 'task', 'app', 'client', 'testing', 'llm'],
    packages: [],
  },
  {
    name: 'node',
    files: /^(node|main|config)(\.|\/)/,
    may: [
      'kernel',
      'ports',
      'bus on NATS',
      'bus in memory',
      'store adapters',
      'kv',
      'supervisor',
      'task',
      'actors',
      'limiter',
      'llm',
      'envelope',
      'app',
      'client',
      'runtime',
      'web',
      'dev',
    ],
    packages: ['zod'],
  },
];

const layerOf = (file: string): Layer | undefined => layers.find(({ files }) => files.test(file));

/** Why `file`, a path under src/ or dist/, may not import that; undefined if it may. */
export const objection = (file: string, { target, packaged, typeOnly }: Import): string | undefined => {
  const layer = layerOf(file);
  if (layer === undefined) return `src/${file} belongs to no layer: add its folder to scripts/layers.ts`;
  if (packaged) {
    if (layer.packages.includes(target)) return undefined;
    return `src/${file} (${layer.name}) may not import the package ${target}`;
  }
  const other = layerOf(target);
  const allowed = [layer.name, ...layer.may, ...(typeOnly ? (layer.mayTypes ?? []) : [])];
  if (other !== undefined && allowed.includes(other.name)) return undefined;
  const what = typeOnly ? 'types' : 'values';
  return `src/${file} (${layer.name}) may not import ${what} of ${target} (${other?.name ?? 'no layer'})`;
};
