/** From the parts of a stream to the answer they make, and back. */
import type { LanguageModelV4Content, LanguageModelV4StreamPart } from '@ai-sdk/provider';
import { optional } from '../kernel/optional.ts';
import type { Answer } from './content.ts';

type Part = LanguageModelV4StreamPart;
type Finish = Extract<Part, { type: 'finish' }>;
type Text = Extract<LanguageModelV4Content, { type: 'text' | 'reasoning' }>;

export interface Collector {
  add(part: Part): void;
  /** Characters so far, of all that is kept. */
  size(): number;
  /** `undefined` for a stream that broke off: without its last part, or with one that was made up. */
  answer(): Omit<Answer, 'response'> | undefined;
  response(): Partial<Answer['response']>;
}

/** One of the parts that a text is made of. */
type Piece = { readonly id: string } & Pick<Extract<Text, { type: 'text' }>, 'providerMetadata' | 'citations'>;

/** Parts that are content as they are. */
const isContent = (part: Part): part is Part & Exclude<LanguageModelV4Content, Text> =>
  ['tool-call', 'tool-result', 'tool-approval-request', 'file', 'reasoning-file', 'source', 'custom'].includes(
    part.type,
  );

const sizeOf = (part: Part): number => {
  if (part.type === 'text-delta' || part.type === 'reasoning-delta') return part.delta.length;
  if (part.type === 'tool-call') return part.input.length;
  if ((part.type === 'file' || part.type === 'reasoning-file') && part.data.type === 'data')
    return part.data.data.length;
  return 0;
};

export const collector = (): Collector => {
  const content: LanguageModelV4Content[] = [];
  const open = new Map<string, number>();
  let warnings: Answer['warnings'] = [];
  let response: Partial<Answer['response']> = {};
  let finish: Finish | undefined;
  let size = 0;

  const begin = (type: Text['type'], { id, providerMetadata }: Piece): void => {
    open.set(`${type} ${id}`, content.length);
    content.push({ type, text: '', ...(providerMetadata && { providerMetadata }) });
  };
  /** A part that was never begun, as some providers have it, begins by itself. */
  const extend = (type: Text['type'], piece: Piece, delta = ''): void => {
    const { id, providerMetadata, citations } = piece;
    if (!open.has(`${type} ${id}`)) begin(type, piece);
    const at = open.get(`${type} ${id}`) ?? 0;
    const known = content[at];
    if (known?.type !== 'text' && known?.type !== 'reasoning') return;
    const extended = { ...known, text: known.text + delta, ...(providerMetadata && { providerMetadata }) };
    content[at] = extended.type === 'text' && citations ? { ...extended, citations } : extended;
  };

  return {
    add: (part) => {
      size += sizeOf(part);
      if (isContent(part)) content.push(part);
      else if (part.type === 'text-start') begin('text', part);
      else if (part.type === 'text-delta') extend('text', part, part.delta);
      else if (part.type === 'text-end') extend('text', part);
      else if (part.type === 'reasoning-start') begin('reasoning', part);
      else if (part.type === 'reasoning-delta') extend('reasoning', part, part.delta);
      else if (part.type === 'reasoning-end') extend('reasoning', part);
      else if (part.type === 'stream-start') warnings = part.warnings;
      else if (part.type === 'finish') finish = part;
      else if (part.type === 'response-metadata') {
        const { type: _type, ...told } = part;
        response = optional({ ...response, ...optional(told) });
      }
    },
    size: () => size,
    answer: () => {
      if (!finish || isMadeUp(finish)) return undefined;
      const { finishReason, usage, providerMetadata } = finish;
      return { content, warnings, finishReason, usage, ...(providerMetadata && { providerMetadata }) };
    },
    response: () => response,
  };
};

/** Providers' packages end a stream that ends too early with a part that says nothing. */
const isMadeUp = ({ finishReason, usage }: Finish): boolean =>
  finishReason.unified === 'other' && finishReason.raw === undefined && usage.outputTokens.total === undefined;

/** An answer as a stream of its own. */
export const partsOf = ({ content, warnings, finishReason, usage, providerMetadata, response }: Answer): Part[] => [
  { type: 'stream-start', warnings: [...warnings] },
  { type: 'response-metadata', ...response },
  ...content.flatMap((part, index) => partsOfContent(part, String(index))),
  { type: 'finish', finishReason, usage, ...(providerMetadata && { providerMetadata }) },
];

const partsOfContent = (part: LanguageModelV4Content, id: string): Part[] => {
  if (part.type === 'text' || part.type === 'reasoning') {
    const told = part.providerMetadata && { providerMetadata: part.providerMetadata };
    const cited = part.type === 'text' && part.citations && { citations: part.citations };
    return part.type === 'text'
      ? [
          { type: 'text-start', id, ...told },
          { type: 'text-delta', id, delta: part.text },
          { type: 'text-end', id, ...told, ...cited },
        ]
      : [
          { type: 'reasoning-start', id, ...told },
          { type: 'reasoning-delta', id, delta: part.text },
          { type: 'reasoning-end', id, ...told },
        ];
  }
  if (part.type !== 'tool-call') return [part];
  const { toolCallId, toolName, input, providerExecuted, dynamic } = part;
  const how = optional({ providerExecuted, dynamic });
  return [
    { type: 'tool-input-start', id: toolCallId, toolName, ...how },
    { type: 'tool-input-delta', id: toolCallId, delta: input },
    { type: 'tool-input-end', id: toolCallId },
    part,
  ];
};
