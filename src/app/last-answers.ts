import type { Journal } from '../task/journal.ts';

/**
 * The recorded answers of models that a result was made of, as far as anybody can tell: the last ones, which no step
 * follows. What a tool or a step has done since an answer was built upon it, and that answer stays.
 */
export const lastAnswers = (journal: Journal): readonly string[] => {
  const steps = (journal.recorded?.() ?? []).filter((step) => !step.startsWith('embedding:'));
  return steps.slice(steps.findLastIndex((step) => !step.startsWith('model:')) + 1);
};
