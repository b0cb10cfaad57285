-- name: APIKeyInsert :one
-- Stores a new key by its digest.
insert into api_keys (id, user_id, environment, name, digest, hint, expires_at)
values (@id, @user_id, @environment, @name, @digest, @hint, @expires_at)
returning *;

-- name: APIKeyGet :one
-- One key of a user.
select * from api_keys where id = @id and user_id = @user_id;

-- name: APIKeyList :many
-- A page of a user's keys, newest first.
select * from api_keys
where user_id = @user_id and (sqlc.narg('environment')::text is null or environment = sqlc.narg('environment'))
order by created_at desc, id desc
limit sqlc.arg('row_limit')::int offset sqlc.arg('row_offset')::bigint;

-- name: APIKeyCount :one
-- How many keys APIKeyList would give without paging.
select count(*) from api_keys
where user_id = @user_id and (sqlc.narg('environment')::text is null or environment = sqlc.narg('environment'));

-- name: APIKeyCountOpen :one
-- How many keys of a user are not revoked.
select count(*) from api_keys where user_id = @user_id and revoked_at is null;

-- name: APIKeyLock :one
-- One key of a user, locked until the transaction ends.
select * from api_keys where id = @id and user_id = @user_id for no key update;

-- name: APIKeyUpdate :one
-- Sets what an owner may change of a key.
update api_keys
set name = @name, disabled_at = @disabled_at, expires_at = @expires_at, updated_at = now()
where id = @id and user_id = @user_id and revoked_at is null
returning *;

-- name: APIKeyRevoke :one
-- Ends a key for good; again changes nothing.
update api_keys set revoked_at = coalesce(revoked_at, now()), updated_at = now()
where id = @id and user_id = @user_id
returning *;

-- name: APIKeyByDigestSetAnyOwner :many
-- The keys with these digests and the state of their owners; a digest that is no key's gives no row. The caller has the clock.
select sqlc.embed(k), u."role", u."banned", u."banExpires"
from api_keys k join "user" u on u."id" = k.user_id
where k.digest = any (@digests::bytea[]);
