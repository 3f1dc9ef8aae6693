/** Columns for a terminal. */

const nameWidth = 46;
const cellWidth = 20;

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly [name: string, ...cells: readonly string[]])[];
}

const line = (name: string, cells: readonly string[]): string =>
  `  ${name.padEnd(nameWidth)}${cells.map((cell) => cell.padStart(cellWidth)).join('')}`.trimEnd();

export const tableText = ({ title, columns, rows }: Table): string =>
  [line(title, columns), ...rows.map(([name, ...cells]) => line(`  ${name}`, cells))].join('\n');

export const shown = (value: number | null, digits: number): string =>
  value === null ? '–' : value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
