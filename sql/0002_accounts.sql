-- Money. Amounts are bigint micro-USD (1 USD = 1000000). ledger_entries is the truth; the
-- balance in accounts is a cache of it that the guard against overspending locks.
-- +goose Up
create table accounts (
  user_id text not null,
  balance_micros bigint not null default 0,
  held_micros bigint not null default 0,
  created_at timestamptz not null default now(),
  constraint accounts_pkey primary key (user_id),
  constraint accounts_held_check check (held_micros >= 0),
  constraint accounts_available_check check (balance_micros >= held_micros)
) with (fillfactor = 50);
comment on table accounts is 'One per user. Outlives the user, so that the books stay whole.';

-- +goose StatementBegin
create function accounts_open() returns trigger language plpgsql as $$
begin
  insert into accounts (user_id) values (new."id") on conflict do nothing;
  return null;
end $$;
-- +goose StatementEnd
-- A trigger, because a Better Auth server on the same database signs users up without us.
create trigger accounts_open after insert on "user" for each row execute function accounts_open();

create table ledger_entries (
  id bigint generated always as identity,
  transaction_id text not null,
  ledger_account text not null,
  user_id text,
  kind text not null,
  amount_micros bigint not null,
  task_id text,
  reference text,
  created_at timestamptz not null default now(),
  constraint ledger_entries_pkey primary key (id),
  constraint ledger_entries_kind_check check (kind in ('top_up', 'settle', 'adjustment')),
  constraint ledger_entries_amount_check check (amount_micros <> 0),
  constraint ledger_entries_task_check check ((kind = 'settle') = (task_id is not null)),
  constraint ledger_entries_user_id_fkey foreign key (user_id) references accounts (user_id)
);
create unique index ledger_entries_task_once_key on ledger_entries (task_id, kind, ledger_account) where task_id is not null;
create unique index ledger_entries_reference_once_key on ledger_entries (reference, ledger_account) where reference is not null;
create index ledger_entries_transaction_id_idx on ledger_entries (transaction_id);
create index ledger_entries_user_id_idx on ledger_entries (user_id, id desc) where user_id is not null;

-- +goose StatementBegin
create function ledger_entries_balanced() returns trigger language plpgsql as $$
begin
  if (select sum(amount_micros) from ledger_entries where transaction_id = new.transaction_id) <> 0 then
    raise exception 'ledger transaction % does not sum to zero', new.transaction_id using errcode = 'check_violation';
  end if;
  return null;
end $$;
-- +goose StatementEnd
create constraint trigger ledger_entries_balanced after insert on ledger_entries
  deferrable initially deferred for each row execute function ledger_entries_balanced();

-- +goose StatementBegin
create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'rows of % are never changed or removed', tg_table_name using errcode = 'insufficient_privilege';
end $$;
-- +goose StatementEnd
create trigger ledger_entries_append_only before update or delete or truncate on ledger_entries
  for each statement execute function refuse_change();

-- +goose Down
drop table ledger_entries, accounts cascade;
drop function ledger_entries_balanced, refuse_change, accounts_open cascade;
