/** What a provider's package gave, which may be anything, as JSON: what cannot be encoded is left out, and NaN is null. */
export const asJson = (value: object): unknown => JSON.parse(textOf(value));

const textOf = (value: object): string => {
  try {
    return JSON.stringify(value);
  } catch {
    return JSON.stringify(encodable(value));
  }
};

/** Without big integers, and without what leads back to itself. */
const encodable = (value: unknown, around: readonly unknown[] = []): unknown => {
  if (typeof value === 'bigint' || around.includes(value)) return undefined;
  if (typeof value !== 'object' || value === null || 'toJSON' in value) return value;
  const inside = [...around, value];
  if (Array.isArray(value)) return value.map((each) => encodable(each, inside));
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, encodable(each, inside)]));
};
