import type { Admission, Admitted } from '../task/admission.ts';
import { classify } from '../task/classify.ts';
import { type Envelope, optional } from '../task/message.ts';
import type { Choice } from './resolved.ts';
import { admit, type Registry } from './registry.ts';

/** What an app's doors do with a task: the submitter's word goes before the task's own, and a classify rule before both. */
export const admission = ({ app, taskOf }: Registry): Admission => ({
  admit: (type, input, envelope, bytes) => {
    const task = taskOf(type);
    const decide = (choice: Choice): Admitted => {
      const said = completed(envelope, choice, task.deadlineMs);
      const { tenant, key, lane, headers } = said;
      const incoming = optional({ type, input, tenant, key, bytes, headers });
      const route = classify(app.rules, incoming, { submitted: optional({ lane }), own: choice });
      return optional({ route, id: envelope.id ?? choice.id, envelope: said });
    };
    const choice = admit(task, input);
    return choice instanceof Promise ? choice.then(decide) : decide(choice);
  },
});

const completed = (envelope: Envelope, { key, tenant }: Choice, deadlineMs: number | undefined): Envelope =>
  optional({
    ...envelope,
    key: envelope.key ?? key,
    tenant: envelope.tenant ?? tenant,
    deadlineMs: envelope.deadlineAt === undefined ? (envelope.deadlineMs ?? deadlineMs) : undefined,
  });
