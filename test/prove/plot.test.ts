import { describe, expect, it } from 'vitest';
import { plot } from '../../prove/plot.ts';
import { steps } from '../../prove/windows.ts';

const curve = (amounts: readonly { readonly atMs: number; readonly amount: number }[], perMs: number) => ({
  name: 'requests',
  limit: 100,
  steps: steps(amounts, perMs),
});

const heights = (svg: string): readonly number[] =>
  (/points="([^"]+)"/.exec(svg)?.[1] ?? '').split(' ').map((point) => Number(point.split(',')[1]));

const limitLine = (svg: string): number => Number(/y1="([\d.]+)"[^>]*stroke-dasharray/.exec(svg)?.[1]);

const picture = { title: 'a & b', fromMs: 0, toMs: 360_000, marks: [] };

describe('the plot', () => {
  it('shows what is over the limit for a moment only', () => {
    const calm = curve([{ atMs: 1_000, amount: 100 }], 10_000);
    const over = curve(
      [
        { atMs: 1_000, amount: 100 },
        { atMs: 10_999.999, amount: 1 },
      ],
      10_000,
    );
    const [under, above] = [plot({ ...picture, curves: [calm] }), plot({ ...picture, curves: [over] })];
    expect(Math.min(...heights(under))).toBeCloseTo(limitLine(under), 1);
    expect(Math.min(...heights(above))).toBeLessThan(limitLine(above));
  });

  it('marks each kind of fault in a row and colour of its own', () => {
    const marks = [
      { kind: 'killed', fromMs: 1_000, toMs: 4_000 },
      { kind: 'paused', fromMs: 9_000, toMs: 12_000 },
      { kind: 'killed', fromMs: 20_000, toMs: 24_000 },
    ];
    const rects = [...plot({ ...picture, curves: [], marks }).matchAll(/y="(\d+)"[^>]*height="5" fill="([^"]+)"/g)];
    expect(rects.map(([, y, fill]) => `${y} ${fill}`)).toHaveLength(3);
    expect(new Set(rects.map(([, y, fill]) => `${y} ${fill}`)).size).toBe(2);
  });

  it('is well formed, whatever it is called', () => {
    const svg = plot({ ...picture, curves: [curve([], 1)] });
    expect(svg).toContain('a &amp; b');
    expect(svg).not.toContain('NaN');
    expect(svg.match(/<text/g)).toHaveLength(svg.match(/<\/text>/g)?.length ?? 0);
  });
});
