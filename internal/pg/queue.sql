-- What keeps River's table small and quick under a thousand jobs a second: docs/decisions/0024. May be run again.
select pg_advisory_xact_lock(7361923001);

-- Two GIN indexes over args and metadata, for searches that only River's own pages make, cost a tenth of what a task writes.
-- They are replaced by empty ones of the same name, so that whatever River's later migrations do to them goes on working.
do $$
begin
  if exists (select from pg_index where indexrelid = to_regclass('river_job_args_index') and indpred is null) then
    drop index river_job_args_index;
    create index river_job_args_index on river_job using gin (args) where false;
  end if;
  if exists (select from pg_index where indexrelid = to_regclass('river_job_metadata_index') and indpred is null) then
    drop index river_job_metadata_index;
    create index river_job_metadata_index on river_job using gin (metadata) where false;
  end if;
end $$;

-- A row lives for minutes and is changed twice: vacuum comes each minute and does not pause.
do $$
begin
  if not coalesce((select reloptions @> '{autovacuum_vacuum_scale_factor=0.01}' from pg_class where oid = 'river_job'::regclass), false) then
    alter table river_job set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000,
      autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
  end if;
end $$;
