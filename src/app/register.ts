/**
 * An app's own names, typed. Opt in once, beside the config:
 *
 * `declare module 'troupe' { interface Register { config: typeof config } }`
 *
 * From then on the names of pools, budgets and models complete and are checked, and `ctx.deps` has its type.
 */
// Empty: it is there to be merged with.
export interface Register {}

type Registered = Register extends { config: infer Config } ? Config : {};

/** `default`, or a pool of the registered config; any string where nothing is registered. */
export type PoolName = Registered extends { pools: infer Pools } ? (keyof Pools & string) | 'default' : string;

type Name<K extends string> = Registered extends { readonly [P in K]: infer T } ? keyof T & string : string;

/** A model of the registered config; any string where nothing is registered. */
export type ModelName = Name<'models'>;
/** An embedding model of the registered config; any string where nothing is registered. */
export type EmbeddingName = Name<'embeddings'>;
/** A budget of the registered config; any string where nothing is registered. */
export type BudgetName = Name<'budgets'>;

/** What the registered config's `deps` resolves to. */
export type Deps = Registered extends { deps: (...args: never[]) => infer D } ? Awaited<D> : unknown;
