/**
 * The numbers behind the metrics. prom-client looks a series up by a hash of its labels at every
 * increment; here a series is an object to hold on to, and prom-client reads it when it is scraped.
 */
import * as prom from 'prom-client';

export interface Counter {
  /** By 1, if not told. */
  inc(by?: number): void;
}

export interface Gauge {
  set(value: number): void;
  inc(by?: number): void;
  dec(by?: number): void;
}

export interface Histogram {
  /** In the unit of the metric's name. */
  observe(value: number): void;
}

/** A metric with one series for each combination of label values. */
export interface Labelled<Names extends readonly string[], Series> {
  /** The series for these values, in the order of the declaration. Hold on to it where every task passes. */
  labels(...values: { readonly [Index in keyof Names]: string }): Series;
}

export interface Declaration<Names extends readonly string[]> {
  readonly name: string;
  readonly help: string;
  readonly labels: Names;
}

/** Values come from outside too (task types, reasons): past this many series the rest is counted as `other`. */
const mostSeries = 1_000;

const labelled = <const Names extends readonly string[], Series>(
  names: Names,
  make: (labels: Record<string, string>) => Series,
): Labelled<Names, Series> => {
  // By the first value, then by the others: no metric that every task passes has more than two.
  const series = new Map<string, Map<string, Series>>();
  let count = 0;

  const add = (values: readonly string[]): Series => {
    const made = make(Object.fromEntries(names.map((name, index) => [name, values[index] ?? ''])));
    const [first = '', ...others] = values;
    series.set(first, (series.get(first) ?? new Map<string, Series>()).set(others.join('\n'), made));
    count += 1;
    return made;
  };

  const find = (values: readonly string[]): Series | undefined =>
    series.get(values[0] ?? '')?.get(values.length > 2 ? values.slice(1).join('\n') : (values[1] ?? ''));

  return {
    labels: (...values) => {
      const known = find(values);
      if (known) return known;
      const bounded = count < mostSeries ? values : names.map(() => 'other');
      return find(bounded) ?? add(bounded);
    },
  };
};

interface Sample {
  readonly labels: Record<string, string>;
  value: number;
}

const config = <Names extends readonly string[]>(
  { name, help, labels }: Declaration<Names>,
  registry: prom.Registry,
) => ({
  name,
  help,
  labelNames: [...labels],
  registers: [registry],
});

export const counter = <const Names extends readonly string[]>(
  declaration: Declaration<Names>,
  registry: prom.Registry,
): Labelled<Names, Counter> => {
  const samples: Sample[] = [];
  new prom.Counter<string>({
    ...config(declaration, registry),
    collect() {
      this.reset();
      for (const { labels, value } of samples) this.inc(labels, value);
    },
  });
  return labelled(declaration.labels, (labels) => {
    const sample = { labels, value: 0 };
    samples.push(sample);
    return { inc: (by = 1) => void (sample.value += by) };
  });
};

export const gauge = <const Names extends readonly string[]>(
  declaration: Declaration<Names>,
  registry: prom.Registry,
): Labelled<Names, Gauge> => {
  const samples: Sample[] = [];
  new prom.Gauge<string>({
    ...config(declaration, registry),
    collect() {
      this.reset();
      for (const { labels, value } of samples) this.set(labels, value);
    },
  });
  return labelled(declaration.labels, (labels) => {
    const sample = { labels, value: 0 };
    samples.push(sample);
    return {
      set: (value) => void (sample.value = value),
      inc: (by = 1) => void (sample.value += by),
      dec: (by = 1) => void (sample.value -= by),
    };
  });
};

export const histogram = <const Names extends readonly string[]>(
  declaration: Declaration<Names> & { readonly buckets: readonly number[] },
  registry: prom.Registry,
): Labelled<Names, Histogram> => {
  const metric = new prom.Histogram<string>({ ...config(declaration, registry), buckets: [...declaration.buckets] });
  return labelled(declaration.labels, (labels) => metric.labels(labels));
};
