-- +goose NO TRANSACTION
-- Marks: how many rows of an owner there are before a moment, so that a total is a mark and the few rows after it.
-- docs/decisions/0023. A mark is set only where nothing before it can change or still appear, and so stays true for ever.
-- Each statement may be run again.
-- +goose Up
create table if not exists task_marks (
  user_id text not null,
  environment text not null,
  until timestamptz not null,
  total bigint not null,
  models text[] not null,
  types text[] not null,
  statuses text[] not null,
  counts bigint[] not null,
  constraint task_marks_pkey primary key (user_id, environment, until)
);
comment on table task_marks is 'Tasks created before until, by kind: element i of the arrays is one kind. Derived; may be emptied.';

create table if not exists usage_marks (
  user_id text not null,
  environment text not null,
  until timestamptz not null,
  total bigint not null,
  models text[] not null,
  counts bigint[] not null,
  units bigint[] not null,
  costs bigint[] not null,
  constraint usage_marks_pkey primary key (user_id, environment, until)
);
comment on table usage_marks is 'Usage recorded before until, by model: element i of the arrays is one model. Derived; may be emptied.';

create table if not exists ledger_marks (
  user_id text not null,
  until_id bigint not null,
  total bigint not null,
  constraint ledger_marks_pkey primary key (user_id, until_id)
);
comment on table ledger_marks is 'Entries of a user with an id below until_id. Derived; may be emptied.';

-- +goose StatementBegin
create or replace function calm_moment(seconds integer) returns timestamptz stable language sql as $$
  select least(now(), (select min(xact_start) from pg_stat_activity
    where datname = current_database() and backend_type = 'client backend')) - seconds * interval '1 second'
$$;
-- +goose StatementEnd
comment on function calm_moment is 'So long before the oldest open transaction; what began earlier has been committed or is gone.';

-- What has run out is found without reading what has not.
drop index concurrently if exists "session_expiresAt_idx";
create index concurrently "session_expiresAt_idx" on "session" ("expiresAt");
drop index concurrently if exists "verification_expiresAt_idx";
create index concurrently "verification_expiresAt_idx" on "verification" ("expiresAt");
drop index concurrently if exists webhook_events_ended_idx;
create index concurrently webhook_events_ended_idx on webhook_events (ended_at) where ended_at is not null;

-- +goose Down
drop index concurrently "session_expiresAt_idx";
drop index concurrently "verification_expiresAt_idx";
drop index concurrently webhook_events_ended_idx;
drop function calm_moment;
drop table ledger_marks, usage_marks, task_marks;
