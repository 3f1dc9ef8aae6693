/**
 * Keys are compared byte by byte (`collate "C"`): incarnations must sort as they were made, and a primary key need not
 * know a language. Indexes on what most tasks do not have are partial, so that those tasks do not pay for them.
 */
export const history = `
create table tasks (
  type text collate "C" not null,
  id text collate "C" not null,
  incarnation text collate "C" not null,
  revision bigint not null,
  pool text not null,
  lane text not null,
  key text,
  tenant text,
  "group" text,
  title text,
  status text not null,
  reason text,
  attempt integer not null,
  failures integer not null,
  worker text,
  input_hash text,
  input jsonb,
  result jsonb,
  error jsonb,
  waiting jsonb,
  usage jsonb,
  parent text,
  redrive_of text,
  deadline timestamptz(3),
  created_at timestamptz(3) not null,
  started_at timestamptz(3),
  finished_at timestamptz(3),
  primary key (type, id)
);
create index tasks_status on tasks (status, created_at);
create index tasks_created_at on tasks (created_at);
create index tasks_group on tasks ("group", status) where "group" is not null;
create index tasks_tenant on tasks (tenant, created_at) where tenant is not null;

create table steps (
  type text collate "C" not null,
  id text collate "C" not null,
  name text collate "C" not null,
  key text collate "C" not null,
  incarnation text collate "C" not null,
  revision bigint not null,
  position integer not null,
  result jsonb,
  at timestamptz(3) not null,
  ms double precision not null,
  primary key (type, id, name, key)
);

create table dead_letters (
  type text collate "C" not null,
  id text collate "C" not null,
  incarnation text collate "C" not null,
  revision bigint not null,
  reason text not null,
  pool text not null,
  error jsonb,
  body text not null,
  at timestamptz(3) not null,
  primary key (type, id, incarnation, revision)
);
create index dead_letters_at on dead_letters (at);
create index dead_letters_reason on dead_letters (reason, at);

create table projection_marks (
  stream text primary key,
  source text not null,
  incarnation text collate "C" not null,
  revision bigint not null,
  digest text not null
);
`;
