-- Secrets apart from their key, so that the key outlives them; what a key may do; and what it has used.
-- +goose Up
alter table api_keys
  add column metadata jsonb not null default '{}',
  add column scopes text[] not null default '{generate,tasks:read,tasks:cancel,usage:read}',
  add column models text[] not null default '{}',
  add column networks cidr[] not null default '{}',
  add column requests_per_second integer,
  add column expiry_warned_days integer,
  add constraint api_keys_requests_per_second_check check (requests_per_second > 0);
comment on column api_keys.models is 'The only models the key may use; empty for all.';
comment on column api_keys.networks is 'The only networks the key may be used from; empty for all.';
comment on column api_keys.digest is 'Of the newest secret; api_key_secrets has all. For binaries that do not know that table.';
comment on column api_keys.expiry_warned_days is 'How many days before the expiry its owner was last warned, or knew without.';

create index api_keys_expires_at_idx on api_keys (expires_at) where revoked_at is null;

create table api_key_secrets (
  digest bytea not null,
  api_key_id text not null,
  hint text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  last_used_at timestamptz,
  constraint api_key_secrets_pkey primary key (digest),
  constraint api_key_secrets_digest_check check (octet_length(digest) = 32),
  constraint api_key_secrets_api_key_id_fkey foreign key (api_key_id) references api_keys (id) on delete cascade on update cascade
) with (fillfactor = 70);
comment on column api_key_secrets.digest is 'SHA-256 of the whole secret; the secret itself is stored nowhere.';
comment on column api_key_secrets.expires_at is 'Of a secret that was rotated away; the newest has none.';
create index api_key_secrets_api_key_id_idx on api_key_secrets (api_key_id);
create unique index api_key_secrets_newest_key on api_key_secrets (api_key_id) where expires_at is null;

-- Counters with the limits they are held to, in one row, so that who locks it decides by both as they are now.
create table api_key_meters (
  api_key_id text not null,
  time_zone text not null default 'UTC',
  spend_cap_micros bigint,
  spend_window text,
  running_cap integer,
  requests_per_day bigint,
  window_start timestamptz not null default 'epoch',
  spent_micros bigint not null default 0,
  running integer not null default 0,
  day_start timestamptz not null default 'epoch',
  day_requests bigint not null default 0,
  constraint api_key_meters_pkey primary key (api_key_id),
  constraint api_key_meters_api_key_id_fkey foreign key (api_key_id) references api_keys (id) on delete cascade on update cascade,
  constraint api_key_meters_spend_check check ((spend_cap_micros is null) = (spend_window is null) and spend_cap_micros > 0),
  constraint api_key_meters_window_check check (spend_window in ('day', 'week', 'month', 'total')),
  constraint api_key_meters_caps_check check (running_cap > 0 and requests_per_day > 0)
) with (fillfactor = 50);
comment on column api_key_meters.spent_micros is 'What tasks accepted since window_start have cost or hold; counted while there is a cap.';
comment on column api_key_meters.running is 'Tasks under way that were accepted while there was a cap.';
comment on column api_key_meters.day_requests is 'Requests of the day from day_start that nodes have taken for their callers.';
create index api_key_meters_capped_idx on api_key_meters (api_key_id) where spend_cap_micros is not null or running_cap is not null;

-- Written behind the requests.
create table api_key_uses (
  api_key_id text not null,
  requests bigint not null,
  last_used_at timestamptz not null,
  constraint api_key_uses_pkey primary key (api_key_id),
  constraint api_key_uses_api_key_id_fkey foreign key (api_key_id) references api_keys (id) on delete cascade on update cascade
) with (fillfactor = 50);

create table api_key_rotations (
  user_id text not null,
  idempotency_digest bytea not null,
  fingerprint bytea not null,
  api_key_id text not null,
  seal_key_id text not null,
  ciphertext bytea not null,
  expires_at timestamptz not null,
  constraint api_key_rotations_pkey primary key (user_id, idempotency_digest),
  constraint api_key_rotations_api_key_id_fkey foreign key (api_key_id) references api_keys (id) on delete cascade on update cascade
);
comment on table api_key_rotations is 'Answers of rotations that may have been lost, sealed, for ten minutes.';
create index api_key_rotations_expires_at_idx on api_key_rotations (expires_at);
create index api_key_rotations_api_key_id_idx on api_key_rotations (api_key_id);

alter table tasks add column metered_since timestamptz;
comment on column tasks.metered_since is 'The window of the key''s meter that counts the task; null when none does.';

-- +goose StatementBegin
create function window_start(spend_window text, time_zone text, at timestamptz) returns timestamptz stable language sql as $$
  select case when spend_window in ('day', 'week', 'month') then date_trunc(spend_window, at, time_zone) else 'epoch' end
$$;
-- +goose StatementEnd
-- +goose StatementBegin
create function window_end(spend_window text, time_zone text, at timestamptz) returns timestamptz stable language sql as $$
  select case when spend_window in ('day', 'week', 'month')
    then (date_trunc(spend_window, at at time zone time_zone) + ('1 ' || spend_window)::interval) at time zone time_zone else 'epoch' end
$$;
-- +goose StatementEnd
comment on function window_start is 'When the calendar window that holds a moment began; the epoch for a window that never ends.';
comment on function window_end is 'When the calendar window that holds a moment ends; the epoch for one that never does.';

-- A trigger, because binaries that do not know these tables make keys too.
-- +goose StatementBegin
create function api_keys_made() returns trigger language plpgsql as $$
begin
  insert into api_key_secrets (digest, api_key_id, hint, created_at) values (new.digest, new.id, new.hint, new.created_at);
  insert into api_key_meters (api_key_id) values (new.id);
  return null;
end $$;
-- +goose StatementEnd
create trigger api_keys_made after insert on api_keys for each row execute function api_keys_made();
insert into api_key_secrets (digest, api_key_id, hint, created_at) select digest, id, hint, created_at from api_keys;
insert into api_key_meters (api_key_id) select id from api_keys;

-- Every secret of a changed key is forgotten everywhere, and a secret by itself when it changes.
-- +goose StatementBegin
create or replace function api_keys_changed() returns trigger language plpgsql as $$
begin
  perform pg_notify('eggapi_auth', 'key:' || encode(digest, 'hex')) from api_key_secrets where api_key_id = old.id;
  return null;
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
create function api_key_secrets_changed() returns trigger language plpgsql as $$
begin
  perform pg_notify('eggapi_auth', 'key:' || encode(old.digest, 'hex'));
  return null;
end $$;
-- +goose StatementEnd
create trigger api_key_secrets_changed after update of digest, expires_at or delete on api_key_secrets
  for each row execute function api_key_secrets_changed();
-- +goose StatementBegin
create function api_key_meters_changed() returns trigger language plpgsql as $$
begin
  perform pg_notify('eggapi_auth', 'key:' || encode(digest, 'hex')) from api_key_secrets where api_key_id = new.api_key_id;
  return null;
end $$;
-- +goose StatementEnd
create trigger api_key_meters_changed after update of time_zone, requests_per_day on api_key_meters
  for each row when (old.time_zone <> new.time_zone or old.requests_per_day is distinct from new.requests_per_day) execute function api_key_meters_changed();
-- What a warning said is no change that a node has to hear of.
drop trigger api_keys_changed on api_keys;
create trigger api_keys_changed
  after update of disabled_at, expires_at, revoked_at, environment, scopes, models, networks, requests_per_second or delete on api_keys
  for each row execute function api_keys_changed();

-- +goose Down
drop trigger api_keys_changed on api_keys;
create trigger api_keys_changed after update or delete on api_keys for each row execute function api_keys_changed();
-- +goose StatementBegin
create or replace function api_keys_changed() returns trigger language plpgsql as $$
begin
  perform pg_notify('eggapi_auth', 'key:' || encode(old.digest, 'hex'));
  return null;
end $$;
-- +goose StatementEnd
drop trigger api_keys_made on api_keys;
alter table tasks drop column metered_since;
drop table api_key_rotations, api_key_uses, api_key_meters, api_key_secrets;
drop function api_keys_made, api_key_secrets_changed, api_key_meters_changed, window_start, window_end;
drop index api_keys_expires_at_idx;
alter table api_keys drop column metadata, drop column scopes, drop column models, drop column networks, drop column requests_per_second,
  drop column expiry_warned_days;
