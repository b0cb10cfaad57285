-- +goose Up
create table api_keys (
  id text not null,
  user_id text not null,
  environment text not null,
  name text not null,
  digest bytea not null,
  hint text not null,
  disabled_at timestamptz,
  expires_at timestamptz,
  revoked_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint api_keys_pkey primary key (id),
  constraint api_keys_digest_key unique (digest),
  constraint api_keys_digest_check check (octet_length(digest) = 32),
  constraint api_keys_environment_check check (environment in ('live', 'test')),
  constraint api_keys_user_id_fkey foreign key (user_id) references accounts (user_id)
);
comment on column api_keys.digest is 'SHA-256 of the whole key; the key itself is stored nowhere.';
create index api_keys_user_id_idx on api_keys (user_id, created_at desc, id desc);

-- Every node drops what it remembers of a key or a user at once when either changes, whoever
-- changed it. The payload is a digest or a user id, never a secret.
-- +goose StatementBegin
create function api_keys_changed() returns trigger language plpgsql as $$
begin
  perform pg_notify('eggapi_auth', 'key:' || encode(old.digest, 'hex'));
  return null;
end $$;
-- +goose StatementEnd
create trigger api_keys_changed after update or delete on api_keys
  for each row execute function api_keys_changed();

-- +goose StatementBegin
create function user_changed() returns trigger language plpgsql as $$
begin
  perform pg_notify('eggapi_auth', 'user:' || old."id");
  return null;
end $$;
-- +goose StatementEnd
create trigger user_changed after update or delete on "user"
  for each row execute function user_changed();

-- +goose Down
drop trigger user_changed on "user";
drop table api_keys;
drop function api_keys_changed, user_changed;
