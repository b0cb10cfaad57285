-- +goose NO TRANSACTION
-- What keeps tables and indexes in step with millions of rows: docs/decisions/0024. Each statement may be run again, since
-- an index that is built while the service runs cannot share a transaction, and a build that was cut off leaves a broken one.
-- +goose Up

-- No index of tasks names status, so that taking and renewing a lease touches none (HOT): open is completed_at, failed is error.
drop index concurrently if exists tasks_kind_idx;
create index concurrently tasks_kind_idx on tasks (user_id, environment, model, type, created_at desc, id desc);
drop index concurrently if exists tasks_failed_idx;
create index concurrently tasks_failed_idx on tasks (user_id, environment, created_at desc, id desc) where error is not null;
drop index concurrently if exists tasks_unended_idx;
create index concurrently tasks_unended_idx on tasks (user_id, environment, created_at desc, id desc) where completed_at is null;
drop index concurrently if exists tasks_deadline_idx;
create index concurrently tasks_deadline_idx on tasks (deadline_at) where completed_at is null;
drop index concurrently if exists tasks_list_status_idx;
drop index concurrently if exists tasks_list_model_idx;
drop index concurrently if exists tasks_list_type_idx;
drop index concurrently if exists tasks_open_idx;
-- The same for holds; only the proof of the books looks for open ones, and it reads every row anyway.
drop index concurrently if exists holds_open_idx;
-- No query lists events.
drop index concurrently if exists webhook_events_user_id_idx;

-- Every accepted task locked its price's row, shared with all others under way: four multixacts a task. What the key
-- promised, the trigger does: no version of a price goes away.
alter table tasks drop constraint if exists tasks_price_id_fkey;
create or replace trigger prices_append_only before update or delete or truncate on prices
  for each statement execute function refuse_change();

-- Room on the page for the versions that follow within seconds.
alter table tasks set (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05,
  autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_cost_limit = 1000);
alter table holds set (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05,
  autovacuum_vacuum_cost_limit = 1000);
alter table attempts set (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05,
  autovacuum_vacuum_cost_limit = 1000);
-- Few rows, changed twice a task each.
alter table accounts set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_limit = 1000);
-- As many rows leave as come.
alter table idempotency_keys set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_limit = 2000);
alter table webhook_events set (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_limit = 2000);
alter table webhook_deliveries set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_limit = 2000);
-- Only ever added to: vacuum marks pages as all visible, which is what scans of an index alone need.
alter table outputs set (autovacuum_vacuum_insert_scale_factor = 0.05);
alter table usage_records set (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
alter table ledger_entries set (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

-- +goose Down
drop trigger prices_append_only on prices;
create index concurrently tasks_list_status_idx on tasks (user_id, environment, status, created_at desc, id desc);
create index concurrently tasks_list_model_idx on tasks (user_id, environment, model, created_at desc, id desc);
create index concurrently tasks_list_type_idx on tasks (user_id, environment, type, created_at desc, id desc);
create index concurrently tasks_open_idx on tasks (created_at) where status in ('pending', 'processing');
create index concurrently holds_open_idx on holds (user_id) where state = 'held';
create index concurrently webhook_events_user_id_idx on webhook_events (user_id, environment, created_at desc, id desc);
drop index concurrently tasks_kind_idx;
drop index concurrently tasks_failed_idx;
drop index concurrently tasks_unended_idx;
drop index concurrently tasks_deadline_idx;
