import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isSubject } from '../../src/bus/memory/matching.ts';
import {
  decodeId,
  encodeId,
  isLane,
  type Lane,
  lanes,
  parseWork,
  type Route,
  splitTaskKey,
  subjects,
  taskKey,
} from '../../src/bus/subjects.ts';

/** As users make them: names, mail addresses, URLs, other scripts, and whatever else text can be. */
const id = fc
  .oneof(
    fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 }),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }),
    fc.emailAddress(),
    fc.webUrl(),
    fc.constantFrom('*', '>', 'a.b', 'a b', '.', '..', '\r\n', '=', '=YQ', '$JS.API.STREAM.DELETE.X', 'ä'),
  )
  .filter((each) => each.isWellFormed() && !each.includes('\0') && Buffer.byteLength(each) <= 512);
const token = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);
const route: fc.Arbitrary<Route> = fc.record({
  pool: token,
  lane: fc.constantFrom<Lane>(...lanes),
  partition: fc.constantFrom('0', '63'),
});

describe('an id on the wire', () => {
  test('is one token without wildcards, and is the same id again when it is read', () => {
    fc.assert(
      fc.property(id, (each) => {
        const encoded = encodeId(each);
        expect(encoded).toMatch(/^=?[A-Za-z0-9_-]+$/);
        expect(isSubject(encoded)).toBe(true);
        expect(decodeId(encoded)).toBe(each);
      }),
    );
  });

  test('is shared by no other id', () => {
    fc.assert(
      fc.property(id, id, (a, b) => {
        expect(encodeId(a) === encodeId(b)).toBe(a === b);
      }),
    );
  });

  test('is refused if it is empty, longer than 512 bytes, half a character, or what no database keeps', () => {
    for (const bad of ['', 'x'.repeat(513), 'ä'.repeat(257), '\ud800', 'a\udc00b', 'a\0b'])
      expect(() => encodeId(bad), bad.slice(0, 5)).toThrow(expect.objectContaining({ code: 'invalid_name' }));
    expect(decodeId(encodeId('ä'.repeat(256)))).toBe('ä'.repeat(256));
  });
});

describe('a name that is no token', () => {
  const bad = fc.oneof(
    fc.constantFrom('', '*', '>', 'a.b', 'a b', 'a\tb', 'a\r\nb', 'ä', '=YQ', '$JS', 'x'.repeat(65)),
    fc.string().filter((each) => !/^[A-Za-z0-9_-]{1,64}$/.test(each)),
  );

  test('makes no subject, wherever it stands', () => {
    const makers: readonly ((name: string) => unknown)[] = [
      (name) => taskKey(name, 'a'),
      (name) => subjects.task(name),
      (name) => subjects.work('main', { pool: name, lane: 'high', partition: '0' }, 't.a'),
      (name) => subjects.work(name, { pool: 'p', lane: 'high', partition: '0' }, 't.a'),
      (name) => subjects.workOfTask(name, 't.a'),
      (name) => subjects.due('main', { pool: name, lane: 'low', partition: '0' }, 't.a'),
      (name) => subjects.cron(name),
      (name) => subjects.dlq('p', name, 't.a'),
      (name) => subjects.actor(name),
    ];
    fc.assert(
      fc.property(bad, fc.constantFrom(...makers), (name, make) => {
        expect(() => make(name)).toThrow(expect.objectContaining({ code: 'invalid_name' }));
      }),
    );
  });
});

describe("a task's subject in its pool", () => {
  test('tells again what it was made of', () => {
    fc.assert(
      fc.property(token, token, id, route, (region, type, each, to) => {
        const key = taskKey(type, each);
        expect(splitTaskKey(key)).toEqual({ type, id: each });
        expect(parseWork(subjects.work(region, to, key))).toEqual({ route: to, type, id: each, key });
      }),
    );
  });

  test('names no task unless each of its tokens could have been made here', () => {
    for (const bad of [
      'work.main.p.high.0.t',
      'work.main.p.high.0.t.a.b',
      'work.main.p.urgent.0.t.a',
      'work.main.p.high.0.t$.a',
      'work.main.p.high.0.t.a$',
      'work.main.p.high.0.t.=',
      'work.main.p.high.0.t.=YQ=',
      'work.main.p.high.0.t.=_w',
      'work.main.p.high.0.t.é',
      `work.main.p.high.0.t.=${Buffer.from('x'.repeat(513)).toString('base64url')}`,
      'work.main.p$.high.0.t.a',
      'work.main.p.high.x$.t.a',
      `work.main.p.high.0.t.${'x'.repeat(65)}`,
    ])
      expect(parseWork(bad), bad).toBeUndefined();
  });

  test('is read or refused, whatever it is', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(token, fc.string(), fc.constantFrom(...lanes)), { maxLength: 9 }), (tokens) => {
        const parsed = parseWork(tokens.join('.'));
        if (parsed) expect(taskKey(parsed.type, parsed.id)).toBe(parsed.key);
      }),
    );
  });

  test('has a lane that is one of three', () => {
    for (const lane of lanes) expect(isLane(lane)).toBe(true);
    for (const none of ['', 'HIGH', 'urgent', undefined]) expect(isLane(none)).toBe(false);
  });
});
