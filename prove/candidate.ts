/** A process that stands by for the budget, and grants when it is its turn. */
import { contestantFrom } from './contestant.ts';
import { type Membership, partsOf } from './parts.ts';
import { jobOf, onOrder, say } from './process.ts';
import { jump } from './wall.ts';

export interface CandidateJob extends Membership {
  readonly contestant: string;
}

export type CandidateOrder = { readonly type: 'jump'; readonly byMs: number };

const job = jobOf<CandidateJob>();
const contestant = await contestantFrom(job.contestant);
onOrder<CandidateOrder>(({ byMs }) => jump(byMs));
await contestant.candidate({ ...(await partsOf(job)), node: job.name });
say('ready');
