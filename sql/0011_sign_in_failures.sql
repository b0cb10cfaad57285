-- Guesses of passwords, counted where all nodes see them and no restart forgets them.
-- +goose Up
create table sign_in_failures (
  account bytea not null,
  failures integer not null,
  waits_until timestamptz not null,
  last_at timestamptz not null,
  constraint sign_in_failures_pkey primary key (account),
  constraint sign_in_failures_account_check check (octet_length(account) = 32),
  constraint sign_in_failures_failures_check check (failures >= 0)
);
comment on column sign_in_failures.account is 'SHA-256 of the address that was tried, whether or not somebody has it.';
create index sign_in_failures_last_at_idx on sign_in_failures (last_at);

-- Who may do more, or less, than when he signed in has to sign in again. A trigger, because a Better Auth server on the same
-- database, or SQL by hand, sets roles without us.
-- +goose StatementBegin
create function user_role_changed() returns trigger language plpgsql as $$
begin
  delete from "session" where "userId" = new."id";
  return null;
end $$;
-- +goose StatementEnd
create trigger user_role_changed after update of "role" on "user"
  for each row when (old."role" is distinct from new."role") execute function user_role_changed();

-- +goose Down
drop trigger user_role_changed on "user";
drop function user_role_changed;
drop table sign_in_failures;
