-- name: ModelList :many
-- What is on sale, in the order of the catalogue.
select * from models where enabled order by position, id limit 1000;

-- name: PriceListCurrent :many
-- The price in force of each model and resolution.
select distinct on (model, resolution) model, resolution, unit_micros
from prices where valid_from <= now()
order by model, resolution, valid_from desc limit 10000;

-- name: RouteListAll :many
-- The enabled routes of every model, first choice first.
select * from routes where enabled order by model, priority, id;
