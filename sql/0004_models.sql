-- What is sold, at what price, and who makes it.
-- +goose Up
create table models (
  id text not null,
  name text not null,
  types text[] not null,
  aspect_ratios text[] not null,
  resolutions text[] not null,
  default_resolution text not null,
  max_outputs integer not null,
  max_image_urls integer not null,
  enabled boolean not null default true,
  position integer not null default 0,
  constraint models_pkey primary key (id),
  constraint models_default_resolution_check check (default_resolution = any (resolutions)),
  constraint models_max_outputs_check check (max_outputs between 1 and 4)
);

create table prices (
  id bigint generated always as identity,
  model text not null,
  resolution text not null,
  unit_micros bigint not null,
  valid_from timestamptz not null default now(),
  constraint prices_pkey primary key (id),
  constraint prices_model_fkey foreign key (model) references models (id),
  constraint prices_unit_check check (unit_micros > 0),
  constraint prices_version_key unique (model, resolution, valid_from)
);
comment on table prices is 'Versions are added, never changed; a task keeps the version it was accepted at.';

create table routes (
  id text not null,
  model text not null,
  provider text not null,
  upstream_model text not null,
  priority integer not null default 100,
  enabled boolean not null default true,
  caps jsonb not null,
  cost_micros jsonb not null default '{}',
  constraint routes_pkey primary key (id),
  constraint routes_model_fkey foreign key (model) references models (id),
  constraint routes_once_key unique (model, provider, upstream_model)
);
comment on column routes.caps is 'provider.Caps: what the upstream model can do.';

insert into models (id, name, types, aspect_ratios, resolutions, default_resolution, max_outputs, max_image_urls, position) values
  ('nanobanana', 'nano-banana', '{image_generate,image_edit}', '{16:9,9:16}', '{1k,2k,4k}', '1k', 4, 9, 1),
  ('nanobanana-pro', 'nano-banana-pro', '{image_generate,image_edit}', '{16:9,9:16}', '{1k,2k,4k}', '1k', 4, 9, 2);

insert into prices (model, resolution, unit_micros, valid_from) values
  ('nanobanana', '1k', 10000, '2026-01-01Z'),
  ('nanobanana', '2k', 10000, '2026-01-01Z'),
  ('nanobanana', '4k', 10000, '2026-01-01Z'),
  ('nanobanana-pro', '1k', 16000, '2026-01-01Z'),
  ('nanobanana-pro', '2k', 16000, '2026-01-01Z'),
  ('nanobanana-pro', '4k', 32000, '2026-01-01Z');

insert into routes (id, model, provider, upstream_model, priority, caps, cost_micros) values
  ('nanobanana-gemini', 'nanobanana', 'gemini', 'gemini-nano-banana-2.1', 10,
   '{"max_refs":14,"max_n":1,"resolutions":["1k","2k","4k"],"aspects":["16:9","9:16"],"edits":true}',
   '{"1k":33600,"2k":50000,"4k":76000}'),
  ('nanobanana-pro-gemini', 'nanobanana-pro', 'gemini', 'gemini-3-pro-image', 10,
   '{"max_refs":14,"max_n":1,"resolutions":["1k","2k","4k"],"aspects":["16:9","9:16"],"edits":true}',
   '{"1k":134000,"2k":134000,"4k":240000}'),
  ('nanobanana-sandbox', 'nanobanana', 'sandbox', 'sandbox', 1000,
   '{"max_refs":9,"max_n":4,"resolutions":["1k","2k","4k"],"aspects":["16:9","9:16"],"edits":true}', '{}'),
  ('nanobanana-pro-sandbox', 'nanobanana-pro', 'sandbox', 'sandbox', 1000,
   '{"max_refs":9,"max_n":4,"resolutions":["1k","2k","4k"],"aspects":["16:9","9:16"],"edits":true}', '{}');

-- +goose Down
drop table routes, prices, models;
