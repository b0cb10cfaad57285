-- +goose Up
create table audit_log (
  id text not null,
  user_id text not null,
  action text not null,
  target text not null,
  ip_address text not null,
  user_agent text not null,
  details jsonb not null default '{}',
  created_at timestamptz not null default now(),
  constraint audit_log_pkey primary key (id)
);
comment on column audit_log.details is 'What changed, before and after; never a secret.';
create index audit_log_user_id_idx on audit_log (user_id, created_at desc, id desc);
create trigger audit_log_append_only before update or delete or truncate on audit_log
  for each statement execute function refuse_change();

-- +goose Down
drop table audit_log;
