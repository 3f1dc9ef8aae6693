import { describe, expect, test } from 'vitest';
import { objection } from '../../scripts/layers.ts';

const values = (target: string) => ({ target, packaged: false, typeOnly: false });
const types = (target: string) => ({ target, packaged: false, typeOnly: true });
const library = (target: string) => ({ target, packaged: true, typeOnly: false });

describe('a module under src/', () => {
  test('may import what lies below it, and its own layer', () => {
    expect(objection('task/claim.ts', values('kv/bucket.ts'))).toBeUndefined();
    expect(objection('task/claim.ts', values('task/record.ts'))).toBeUndefined();
    expect(objection('node.ts', values('bus/nats/bus.ts'))).toBeUndefined();
  });

  test('may not import what lies above it, not even its types', () => {
    expect(objection('kernel/clock.ts', values('bus/bus.ts'))).toBe(
      'src/kernel/clock.ts (kernel) may not import values of bus/bus.ts (ports)',
    );
    expect(objection('bus/bus.ts', types('task/record.ts'))).toContain('may not import types of task/record.ts');
  });

  test('may import no adapter unless it wires them', () => {
    expect(objection('actors/puller.ts', values('bus/nats/pull.ts'))).toContain('(bus on NATS)');
    expect(objection('bus/memory/bus.ts', values('bus/nats/bus.ts'))).toContain('(bus on NATS)');
  });

  test('may import the types alone of some layers', () => {
    expect(objection('client/client.ts', types('app/task.ts'))).toBeUndefined();
    expect(objection('client/client.ts', values('app/task.ts'))).toContain('may not import values of app/task.ts');
  });

  test('may import the libraries that belong to its layer', () => {
    expect(objection('bus/nats/bus.ts', library('@nats-io/nats-core'))).toBeUndefined();
    expect(objection('task/claim.ts', library('@nats-io/nats-core'))).toContain('may not import the package');
  });

  test('has a layer', () => {
    expect(objection('utils/all.ts', values('kernel/clock.ts'))).toContain('belongs to no layer');
    expect(objection('node.ts', values('utils/all.ts'))).toContain('(no layer)');
  });
});
