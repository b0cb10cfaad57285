-- The life of an image.
-- +goose Up
create table tasks (
  id text not null,
  user_id text not null,
  environment text not null,
  api_key_id text,
  model text not null,
  type text not null,
  status text not null default 'pending',
  prompt text not null,
  negative_prompt text,
  aspect_ratio text not null,
  resolution text not null,
  num_outputs integer not null,
  duration_seconds integer,
  image_urls text[] not null default '{}',
  webhook_url text,
  price_id bigint not null,
  unit_price_micros bigint not null,
  cost_micros bigint not null default 0,
  error text,
  failure_code text,
  failure_retryable boolean,
  job_id bigint,
  lease_owner text,
  lease_until timestamptz,
  deadline_at timestamptz not null,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  completed_at timestamptz,
  constraint tasks_pkey primary key (id),
  constraint tasks_price_id_fkey foreign key (price_id) references prices (id),
  constraint tasks_environment_check check (environment in ('live', 'test')),
  constraint tasks_type_check check (type in ('image_generate', 'image_edit')),
  constraint tasks_status_check check (status in ('pending', 'processing', 'completed', 'failed')),
  constraint tasks_num_outputs_check check (num_outputs between 1 and 4),
  constraint tasks_cost_check check (cost_micros between 0 and unit_price_micros * num_outputs),
  constraint tasks_ended_check check ((completed_at is not null) = (status in ('completed', 'failed'))),
  constraint tasks_failed_check check ((error is not null) = (status = 'failed')),
  constraint tasks_failed_free_check check (status = 'completed' or cost_micros = 0)
) with (fillfactor = 85);
comment on column tasks.lease_until is 'While in the future, lease_owner alone may work on the task; database time.';
comment on column tasks.job_id is 'The River job that will next advance the task.';
create index tasks_list_idx on tasks (user_id, environment, created_at desc, id desc);
create index tasks_list_status_idx on tasks (user_id, environment, status, created_at desc, id desc);
create index tasks_list_model_idx on tasks (user_id, environment, model, created_at desc, id desc);
create index tasks_list_type_idx on tasks (user_id, environment, type, created_at desc, id desc);
create index tasks_open_idx on tasks (created_at) where status in ('pending', 'processing');

create table holds (
  task_id text not null,
  user_id text not null,
  amount_micros bigint not null,
  settled_micros bigint not null default 0,
  state text not null default 'held',
  created_at timestamptz not null default now(),
  resolved_at timestamptz,
  constraint holds_pkey primary key (task_id),
  constraint holds_task_id_fkey foreign key (task_id) references tasks (id),
  constraint holds_amount_check check (amount_micros > 0),
  constraint holds_state_check check (state in ('held', 'settled', 'voided')),
  constraint holds_settled_check check (settled_micros between 0 and amount_micros),
  constraint holds_resolved_check check ((state = 'held') = (resolved_at is null)),
  constraint holds_voided_check check ((state = 'settled') = (settled_micros > 0))
);
create index holds_open_idx on holds (user_id) where state = 'held';

create table attempts (
  id text not null,
  task_id text not null,
  route_id text not null,
  provider text not null,
  upstream_model text not null,
  images integer[] not null,
  state text not null default 'submitting',
  ref jsonb,
  class text,
  http_status integer,
  error_code text,
  detail text,
  retry_after_ms bigint not null default 0,
  maybe_charged boolean not null default false,
  cost_micros bigint not null default 0,
  lease_owner text not null,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  constraint attempts_pkey primary key (id),
  constraint attempts_task_id_fkey foreign key (task_id) references tasks (id),
  constraint attempts_state_check check (state in ('submitting', 'running', 'succeeded', 'failed')),
  constraint attempts_finished_check check ((finished_at is not null) = (state in ('succeeded', 'failed')))
);
comment on column attempts.images is 'Which of the task''s images, counted from 0, this call was to make.';
comment on column attempts.detail is 'Private text of the upstream, for operators.';
create index attempts_task_id_idx on attempts (task_id, id);

create table outputs (
  task_id text not null,
  user_id text not null,
  image integer not null,
  attempt_id text not null,
  path text not null,
  mime text not null,
  size_bytes bigint not null,
  width integer not null,
  height integer not null,
  created_at timestamptz not null default now(),
  constraint outputs_pkey primary key (task_id, image),
  constraint outputs_task_id_fkey foreign key (task_id) references tasks (id),
  constraint outputs_attempt_id_fkey foreign key (attempt_id) references attempts (id)
);

create table usage_records (
  id text not null,
  user_id text not null,
  environment text not null,
  task_id text not null,
  api_key_id text,
  model text not null,
  type text not null,
  units integer not null,
  cost_micros bigint not null,
  created_at timestamptz not null default now(),
  constraint usage_records_pkey primary key (id),
  constraint usage_records_task_id_key unique (task_id),
  constraint usage_records_task_id_fkey foreign key (task_id) references tasks (id),
  constraint usage_records_units_check check (units > 0),
  constraint usage_records_cost_check check (cost_micros >= 0),
  constraint usage_records_environment_check check (environment in ('live', 'test'))
);
create index usage_records_list_idx on usage_records (user_id, environment, created_at desc, id desc);
create index usage_records_model_idx on usage_records (user_id, environment, model, created_at desc, id desc);
create trigger usage_records_append_only before update or delete or truncate on usage_records
  for each statement execute function refuse_change();

create table idempotency_keys (
  user_id text not null,
  environment text not null,
  key text not null,
  fingerprint bytea not null,
  task_id text not null,
  expires_at timestamptz not null,
  constraint idempotency_keys_pkey primary key (user_id, environment, key),
  constraint idempotency_keys_key_check check (length(key) between 1 and 255)
);
create index idempotency_keys_expires_at_idx on idempotency_keys (expires_at);

-- +goose Down
drop table idempotency_keys, usage_records, outputs, attempts, holds, tasks;
