import { InvalidInputError } from '../kernel/errors.ts';
import type { Admission, Admitted } from '../task/admission.ts';
import { classify } from '../task/classify.ts';
import { type Envelope, keyMax, tenantMax } from '../task/envelope.ts';
import { optional } from '../kernel/optional.ts';
import { bounded } from './envelope.ts';
import type { Choice, ResolvedApp } from './resolved.ts';
import { admit, type Registry } from './registry.ts';

/** What people are shown is short. */
const titleMax = 200;

/** What an app's doors do with a task: the submitter's word goes before the task's own, and a classify rule before both. */
export const admission = ({ app, taskOf }: Registry): Admission => ({
  admit: (type, input, envelope, bytes) => {
    const task = taskOf(type);
    const decide = (choice: Choice): Admitted => {
      const said = completed(envelope, choice, task.deadlineMs);
      const { tenant, key, headers } = said;
      const own = { ...(tenant !== undefined && { tenant }), ...(key !== undefined && { key }) };
      const incoming = { type, input, bytes, headers, ...own };
      const route = classify(app.rules, incoming, { submitted: said, own: choice });
      refuseUnserved(app, type, route.pool);
      const id = envelope.id ?? choice.id;
      return id === undefined ? { route, envelope: said } : { route, id, envelope: said };
    };
    const choice = admit(task, input);
    return choice instanceof Promise ? choice.then(decide) : decide(choice);
  },
});

const refuseUnserved = ({ pools }: ResolvedApp, type: string, pool: string): void => {
  if (pools.get(pool)?.serves?.has(type) === false)
    throw new InvalidInputError(`pool "${pool}" does not serve task "${type}", to which a classify rule sent it`);
};

const completed = (envelope: Envelope, { key, tenant, title }: Choice, deadlineMs: number | undefined): Envelope => {
  if (key === undefined && tenant === undefined && title === undefined && deadlineMs === undefined) return envelope;
  return optional({
    ...envelope,
    key: envelope.key ?? bounded("the task's key", key, keyMax),
    tenant: envelope.tenant ?? bounded("the task's tenant", tenant, tenantMax),
    title: title?.slice(0, titleMax).toWellFormed(),
    deadlineMs: envelope.deadlineAt === undefined ? (envelope.deadlineMs ?? deadlineMs) : undefined,
  });
};
