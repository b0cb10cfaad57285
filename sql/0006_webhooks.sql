-- +goose Up
create table webhook_secrets (
  user_id text not null,
  key_id text not null,
  ciphertext bytea not null,
  created_at timestamptz not null default now(),
  constraint webhook_secrets_pkey primary key (user_id),
  constraint webhook_secrets_user_id_fkey foreign key (user_id) references accounts (user_id)
);
comment on column webhook_secrets.ciphertext is 'The whsec_ secret under AES-256-GCM with the key named key_id, bound to user_id.';

create table webhook_events (
  id text not null,
  user_id text not null,
  environment text not null,
  task_id text not null,
  type text not null,
  url text not null,
  payload text not null,
  status text not null default 'pending',
  attempts integer not null default 0,
  job_id bigint not null,
  next_attempt_at timestamptz not null,
  created_at timestamptz not null default now(),
  ended_at timestamptz,
  constraint webhook_events_pkey primary key (id),
  constraint webhook_events_once_key unique (task_id, type),
  constraint webhook_events_task_id_fkey foreign key (task_id) references tasks (id),
  constraint webhook_events_type_check check (type in ('task.completed', 'task.failed')),
  constraint webhook_events_status_check check (status in ('pending', 'delivered', 'exhausted')),
  constraint webhook_events_ended_check check ((status = 'pending') = (ended_at is null)),
  constraint webhook_events_attempts_check check (attempts >= 0 and (status = 'pending' or attempts > 0))
);
comment on column webhook_events.payload is 'The exact bytes that are signed and sent.';
comment on column webhook_events.job_id is 'The River job that makes the next try.';
comment on column webhook_events.next_attempt_at is 'No try is made before; the worker''s clock. Without meaning once the event has ended.';
create index webhook_events_user_id_idx on webhook_events (user_id, environment, created_at desc, id desc);
create index webhook_events_pending_idx on webhook_events (next_attempt_at) where status = 'pending';

create table webhook_deliveries (
  id text not null,
  event_id text not null,
  user_id text not null,
  attempt integer not null,
  http_status integer,
  error_code text,
  response_body text not null default '',
  duration_ms integer not null,
  created_at timestamptz not null default now(),
  constraint webhook_deliveries_pkey primary key (id),
  constraint webhook_deliveries_once_key unique (event_id, attempt),
  constraint webhook_deliveries_event_id_fkey foreign key (event_id) references webhook_events (id),
  constraint webhook_deliveries_attempt_check check (attempt > 0),
  constraint webhook_deliveries_outcome_check check ((http_status is null) = (error_code is not null)),
  constraint webhook_deliveries_error_code_check check
    (error_code in ('timeout', 'connect_failed', 'tls_failed', 'no_response', 'url_not_allowed')),
  constraint webhook_deliveries_response_body_check check (octet_length(response_body) <= 4096),
  constraint webhook_deliveries_duration_check check (duration_ms >= 0)
);
comment on column webhook_deliveries.response_body is 'The start of what the receiver answered, made storable.';

-- +goose Down
drop table webhook_deliveries, webhook_events, webhook_secrets;
