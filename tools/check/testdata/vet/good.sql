-- name: GetByIDAndOwner :one
select * from tasks where id = $1 and user_id = $2;

-- name: ListJoined :many
select t.*, o.path from tasks t join outputs o on o.task_id = t.id
where t.user_id = @user_id limit @row_limit;

-- name: ListByArgumentsAnyOwner :many
select * from tasks where id = any(@ids::text[]);

-- name: InsertManyAnyOwner :many
insert into outputs (task_id, path) select unnest(@task_ids::text[]), unnest(@paths::text[]) returning task_id;

-- name: InsertOwned :exec
insert into tasks (id, user_id, model) values ($1, $2, $3);

-- name: UpdateOwned :exec
update accounts set held_micros = held_micros + $1 where user_id = $2;

-- name: ModelListAll :many
select * from models order by position;

-- name: UserByEmail :one
select * from "user" where email = $1;
