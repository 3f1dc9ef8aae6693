/** The object without its undefined members, which `exactOptionalPropertyTypes` tells apart from absent ones. */
type Present<T> = { [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined> } & {
  [K in keyof T as undefined extends T[K] ? never : K]: T[K];
};
export const optional = <T extends object>(members: T): Present<T> => {
  const present: object & Partial<T> = {};
  for (const name in members) if (members[name] !== undefined) present[name] = members[name];
  return present as Present<T>; // What `for in` left out is what the type says may be absent.
};
