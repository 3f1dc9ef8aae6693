/** The run as a picture (SVG): what each window held against its limit, and when which fault was. */
import type { Step } from './windows.ts';

export interface Curve {
  readonly name: string;
  readonly limit: number;
  readonly steps: readonly Step[];
}

export interface Mark {
  readonly kind: string;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Picture {
  readonly title: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly curves: readonly Curve[];
  readonly marks: readonly Mark[];
}

const width = 1_200;
const height = 420;
const left = 60;
const top = 50;
const bottom = 110;
/** The limit is drawn at 100; there is room for a tenth more than that. */
const most = 1.1;

const curveColours = ['#1f5fa8', '#2a9d5c', '#8a5fb0'];
const markColours = ['#c0392b', '#d98e04', '#7d3c98', '#566573', '#117a65', '#b9770e'];

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

const text = (x: number, y: number, said: string, more = ''): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${more}>${escaped(said)}</text>`;

const line = (x1: number, y1: number, x2: number, y2: number, more: string): string =>
  `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" ${more}/>`;

/** For each column of pixels the most and the least that a window held: nothing that is over can hide between two. */
const columns = (steps: readonly Step[], fromMs: number, perColumnMs: number, count: number) => {
  const found = Array.from({ length: count }, () => ({ most: -Infinity, least: Infinity }));
  let held = 0;
  let next = 0;
  for (const [column, range] of found.entries()) {
    const endMs = fromMs + (column + 1) * perColumnMs;
    range.most = held;
    range.least = held;
    for (let step = steps[next]; step && step.atMs < endMs; step = steps[(next += 1)]) {
      held = step.sum;
      range.most = Math.max(range.most, held);
      range.least = Math.min(range.least, held);
    }
  }
  return found;
};

export const plot = ({ title, fromMs, toMs, curves, marks }: Picture): string => {
  const right = width - 20;
  const floor = height - bottom;
  const x = (ms: number): number => left + ((ms - fromMs) / (toMs - fromMs)) * (right - left);
  const y = (share: number): number => floor - (Math.min(share, most) / most) * (floor - top);
  const perColumnMs = (toMs - fromMs) / (right - left);
  const kinds = [...new Set(marks.map(({ kind }) => kind))];
  const colour = (kind: string): string => markColours[kinds.indexOf(kind) % markColours.length] ?? 'black';

  const curve = ({ limit, steps }: Curve, index: number): string => {
    const points = columns(steps, fromMs, perColumnMs, right - left).flatMap((range, column) =>
      [range.least, range.most].map((sum) => `${left + column},${y(sum / limit).toFixed(1)}`),
    );
    return `<polyline fill="none" stroke="${curveColours[index % curveColours.length]}" points="${points.join(' ')}"/>`;
  };

  const seconds = (toMs - fromMs) / 1_000;
  const tick = [1, 2, 5, 10, 20, 30, 60, 120, 300].find((step) => seconds / step <= 14) ?? 600;
  const ticks = Array.from({ length: Math.floor(seconds / tick) + 1 }, (_, n) => n * tick);

  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    text(left, 24, title, 'font-size="15"'),
    ...[0, 0.25, 0.5, 0.75].flatMap((share) => [
      line(left, y(share), right, y(share), 'stroke="#ddd"'),
      text(left - 8, y(share) + 4, `${share * 100} %`, 'text-anchor="end"'),
    ]),
    ...ticks.map((s) => text(x(fromMs + s * 1_000), floor + 16, `${s} s`, 'text-anchor="middle"')),
    ...marks.map(({ kind, fromMs: from, toMs: to }) => {
      const wide = Math.max(1.5, x(to) - x(from));
      const row = floor + 24 + 7 * kinds.indexOf(kind);
      return `<rect x="${x(from).toFixed(1)}" y="${row}" width="${wide.toFixed(1)}" height="5" fill="${colour(kind)}"/>`;
    }),
    ...curves.map(curve),
    line(left, y(1), right, y(1), 'stroke="black" stroke-dasharray="6 3"'),
    text(left - 8, y(1) + 4, 'limit', 'text-anchor="end"'),
    ...curves.map(({ name }, index) =>
      text(left + index * 260, height - 30, name, `fill="${curveColours[index % curveColours.length]}"`),
    ),
    ...kinds.map((kind, index) => text(left + index * 190, height - 10, kind, `fill="${colour(kind)}"`)),
    '</svg>\n',
  ].join('\n');
};
