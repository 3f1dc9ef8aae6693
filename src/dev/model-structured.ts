/**
 * A value for a JSON schema, out of a document. The name of a property says what to put there (`title`, `keywords`,
 * `people`, `years`, …), its schema says in which form.
 */
import { z } from 'zod';
import type { Document } from './model-document.ts';

const jsonSchema = z.object({
  type: z.union([z.string(), z.array(z.string())]).optional(),
  const: z.json().optional(),
  enum: z.array(z.json()).optional(),
  format: z.string().optional(),
  minLength: z.number().optional(),
  maxLength: z.number().optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  exclusiveMinimum: z.number().optional(),
  exclusiveMaximum: z.number().optional(),
  minItems: z.number().optional(),
  maxItems: z.number().optional(),
  $ref: z.string().optional(),
  get $defs() {
    return z.record(z.string(), jsonSchema).optional();
  },
  get properties() {
    return z.record(z.string(), jsonSchema).optional();
  },
  get items() {
    return jsonSchema.optional();
  },
  get anyOf() {
    return z.array(jsonSchema).optional();
  },
  get oneOf() {
    return z.array(jsonSchema).optional();
  },
});

type JsonSchema = z.infer<typeof jsonSchema>;
type Json = z.core.util.JSONType;

interface Filling {
  readonly document: Document;
  readonly definitions: Readonly<Record<string, JsonSchema>>;
  readonly depth: number;
}

/** Schemas may contain themselves. Deeper than this lists are empty, and twice as deep the rest is null. */
const depthMax = 4;

/** What of the document a property of this name asks for, best first. */
const wanted = (name: string, document: Document): readonly (string | number)[] => {
  if (/title|heading|headline/i.test(name)) return [document.title];
  if (/keyword|tag|topic|term/i.test(name)) return document.keywords;
  if (/people|person|author|name/i.test(name)) return document.people;
  if (/place|location|countr|cit(y|ies)/i.test(name)) return document.places;
  if (/year|date|when/i.test(name)) return document.years;
  if (/language/i.test(name)) return ['en'];
  if (/words|length/i.test(name)) return [document.words];
  return document.sentences;
};

const formats: Readonly<Record<string, string>> = {
  date: '1970-01-01',
  'date-time': '1970-01-01T00:00:00Z',
  time: '00:00:00Z',
  uri: 'https://example.org/',
  email: 'nobody@example.org',
  uuid: '00000000-0000-4000-8000-000000000000',
};

const string = (schema: JsonSchema, value: string | number | undefined, document: Document): string => {
  const formatted = schema.format && formats[schema.format];
  if (formatted) return formatted;
  const text = String(value ?? '');
  const filler = `${document.title} ${document.sentences.join(' ')}`;
  const long =
    text.length < (schema.minLength ?? 0) ? `${text} ${filler}`.trim().padEnd(schema.minLength ?? 0, '.') : text;
  return schema.maxLength === undefined ? long : long.slice(0, schema.maxLength);
};

const number = (schema: JsonSchema, value: string | number | undefined): number => {
  const step = schema.type === 'integer' ? 1 : Number.EPSILON;
  const least = schema.exclusiveMinimum === undefined ? schema.minimum : schema.exclusiveMinimum + step;
  const most = schema.exclusiveMaximum === undefined ? schema.maximum : schema.exclusiveMaximum - step;
  const wish = typeof value === 'number' ? value : 0;
  return Math.min(Math.max(wish, least ?? Number.NEGATIVE_INFINITY), most ?? Number.POSITIVE_INFINITY);
};

/** The choice that the document names most often; the first one if it names none. */
const choice = (choices: readonly Json[], { keywords }: Document): Json => {
  const rank = (value: Json): number => {
    const place = keywords.indexOf(typeof value === 'string' ? value.toLowerCase() : JSON.stringify(value));
    return place < 0 ? keywords.length : place;
  };
  return choices.toSorted((a, b) => rank(a) - rank(b))[0] ?? null;
};

const list = (name: string, schema: JsonSchema, filling: Filling): Json[] => {
  const values = wanted(name, filling.document);
  const least = schema.minItems ?? 0;
  const length = Math.min(Math.max(Math.min(values.length, 5), least), schema.maxItems ?? 5);
  if (filling.depth >= depthMax) return [];
  return Array.from({ length: Math.max(length, least) }, (_, n) => fill(name, schema.items ?? {}, filling, n));
};

const object = (schema: JsonSchema, filling: Filling): Json =>
  Object.fromEntries(
    Object.entries(schema.properties ?? {}).map(([name, property]) => [name, fill(name, property, filling, 0)]),
  );

const typeOf = ({ type, properties, items }: JsonSchema): string => {
  const types = Array.isArray(type) ? type : [type ?? (properties ? 'object' : items ? 'array' : 'string')];
  return types.find((one) => one !== 'null') ?? 'null';
};

const resolved = (schema: JsonSchema, { definitions }: Filling): JsonSchema => {
  if (schema.$ref) return definitions[schema.$ref.split('/').at(-1) ?? ''] ?? {};
  const options = schema.anyOf ?? schema.oneOf;
  return options?.find((option) => typeOf(option) !== 'null') ?? options?.[0] ?? schema;
};

/** `n` tells the items of one list apart. */
const fill = (name: string, schema: JsonSchema, filling: Filling, n: number): Json => {
  const inner = resolved(schema, filling);
  const deeper = { ...filling, depth: filling.depth + 1 };
  if (filling.depth > 2 * depthMax) return null;
  if (inner !== schema) return fill(name, inner, deeper, n);
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return choice(schema.enum, filling.document);
  const value = wanted(name, filling.document)[n];
  switch (typeOf(schema)) {
    case 'object':
      return object(schema, deeper);
    case 'array':
      return list(name, schema, deeper);
    case 'string':
      return string(schema, value, filling.document);
    case 'integer':
    case 'number':
      return number(schema, value);
    case 'boolean':
      return false;
    default:
      return null;
  }
};

/** A value that satisfies `schema`, as far as the keywords above say it all; a schema of another kind gives `{}`. */
export const structured = (schema: unknown, document: Document): Json => {
  const root = jsonSchema.safeParse(schema).data;
  return root ? fill('', root, { document, definitions: { ...root.$defs, '#': root }, depth: 0 }, 0) : {};
};
