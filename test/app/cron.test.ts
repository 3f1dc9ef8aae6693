import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseCron } from '../../src/app/cron.ts';

/** What NATS takes in each field: numbers or names, ranges, steps, `*` and `?`, within these bounds. */
const bounds = [
  { min: 0, max: 59, names: '' },
  { min: 0, max: 59, names: '' },
  { min: 0, max: 23, names: '' },
  { min: 1, max: 31, names: '' },
  { min: 1, max: 12, names: 'jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec' },
  { min: 0, max: 6, names: 'sun|mon|tue|wed|thu|fri|sat' },
] as const;

const natsTakes = (cron: string): boolean => {
  const fields = cron.split(' ');
  return (
    fields.length === 6 &&
    fields.every((field, index) => {
      const { min, max, names } = bounds[index] ?? { min: 0, max: 0, names: '' };
      const value = (text: string): number =>
        /^\d+$/.test(text) ? Number(text) : names.split('|').indexOf(text.toLowerCase()) + (names === '' ? NaN : min);
      return field.split(',').every((item) => {
        const [, from = '', to, step = '1'] = /^([*?]|\w+)(?:-(\w+))?(?:\/(\d+))?$/.exec(item) ?? [];
        if (Number(step) < 1 || from === '') return false;
        if (from === '*' || from === '?') return to === undefined;
        return value(from) >= min && value(to ?? from) <= max && value(from) <= value(to ?? from);
      });
    })
  );
};

const cronOf = (text: string): string => {
  const parsed = parseCron(text);
  return 'cron' in parsed ? parsed.cron : parsed.mistake;
};

describe('parseCron', () => {
  test.each([
    ['0 2 * * *', '0 0 2 * * *'],
    ['30 0 2 * * *', '30 0 2 * * *'],
    ['  */5   8-18/2 1,15 * MON-FRI ', '0 */5 8-18/2 1,15 * MON-FRI'],
    ['@daily', '0 0 0 * * *'],
    ['@Hourly', '0 0 * * * *'],
    ['0 0 29 2 *', '0 0 0 29 2 *'],
    ['0 0 31 2 mon', '0 0 0 31 2 mon'],
  ])('takes %j as %j', (text, cron) => {
    expect(cronOf(text)).toBe(cron);
  });

  test.each([
    ['0 0 * * 7', '0 0 0 * * 0'],
    ['0 0 * * 5-7', '0 0 0 * * 0,5,6'],
    ['0 0 * * 1-7/2', '0 0 0 * * 0,1,3,5'],
    ['0 0 * * 0-7/2', '0 0 0 * * 0,2,4,6'],
    ['0 0 * * */7', '0 0 0 * * */7'],
  ])('lets Sunday be 7, as crontab does: %j is %j', (text, cron) => {
    expect(cronOf(text)).toBe(cron);
  });

  test.each([
    ['', 'fields'],
    ['* * *', '3 fields'],
    ['60 * * * *', '"60" is no minute; give 0 to 59'],
    ['* 24 * * *', 'hour'],
    ['* * 0 * *', 'day of month'],
    ['* * * 13 *', 'month'],
    ['* * * * 8', 'day of week'],
    ['30-10 * * * *', 'end before they begin'],
    ['*/0 * * * *', 'step'],
    ['*/-1 * * * *', 'step'],
    ['1-2-3 * * * *', 'minute'],
    ['1/2/3 * * * *', 'minute'],
    ['every day at 5', 'minute'],
    ['1,,2 * * * *', 'minute'],
    ['0 0 30 2 *', 'never fire'],
    ['0 0 31 4,6,9,11 ?', 'never fire'],
    ['@reboot', 'fields'],
  ])('refuses %j and says why: %s', (text, why) => {
    const parsed = parseCron(text);
    expect(parsed).toEqual({ mistake: expect.stringContaining(why) });
  });

  test('gives only what NATS takes, and takes what it gave', () => {
    const item = fc.stringMatching(/^([*?]|[0-9]{1,2}|jan|SUN|fri)(-([0-9]{1,2}|dec|sat))?(\/[0-9]{1,2})?$/);
    const field = fc.array(item, { minLength: 1, maxLength: 3 }).map((items) => items.join(','));
    const star = fc.constant('*');
    const expression = fc
      .tuple(...bounds.map(() => fc.oneof({ weight: 3, arbitrary: star }, { weight: 1, arbitrary: field })))
      .chain((fields) => fc.constantFrom(fields.join(' '), fields.slice(1).join(' ')));
    fc.assert(
      fc.property(expression, (text) => {
        const parsed = parseCron(text);
        if ('mistake' in parsed) return;
        expect(natsTakes(parsed.cron)).toBe(true);
        expect(parseCron(parsed.cron)).toEqual(parsed);
      }),
      { numRuns: 2_000 },
    );
  });

  test('never throws, whatever the text', () => {
    fc.assert(fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), (text) => void parseCron(text)));
  });
});
