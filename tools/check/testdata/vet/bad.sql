-- name: GetByID :one
select * from tasks where id = $1;

-- name: CommaJoin :one
select t.id from models m, tasks t where t.id = $1 and m.id = t.model;

-- name: QuotedName :one
select * from public."tasks" where id = $1;

-- name: SetIsNoFilter :exec
update api_keys set user_id = $1 where id = $2;

-- name: DeleteByParent :exec
delete from outputs where task_id = $1;

-- name: DeleteUsing :exec
delete from models using models m2, tasks t where t.model = models.id and models.id = $1;

-- name: InsideCTE :one
with x as (select * from webhook_events where id = $1) select * from x;

-- name: OrIsNoFilter :one
select * from tasks where id = $1 or user_id = $2;

-- name: InsertWithoutOwner :exec
insert into outputs (task_id, path) values ($1, $2);

-- name: ListWithoutLimit :many
select * from models;

-- name: ListOfOwnerWithoutLimit :many
select * from tasks where user_id = $1;

-- name: OrInParentheses :one
select * from tasks where (user_id = $1 or model = $2) limit 1;
