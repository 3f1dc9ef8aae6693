/**
 * Values are kept by the letter: `jsonb` orders the keys of an object anew, so that a step's result, run again from here,
 * would make another prompt, whose call was never paid for. What `jsonb` would refuse is refused all the same, so that any
 * value can be cast to it.
 */
export const values = `
alter table tasks
  alter column input type json using input::json,
  alter column result type json using result::json,
  add constraint tasks_input_is_jsonb check (input is null or input::jsonb is not null),
  add constraint tasks_result_is_jsonb check (result is null or result::jsonb is not null);
alter table steps
  alter column result type json using result::json,
  add constraint steps_result_is_jsonb check (result is null or result::jsonb is not null);
`;
