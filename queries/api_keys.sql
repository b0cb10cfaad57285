-- name: APIKeyInsert :one
-- Stores a new key with its first secret, by its digest.
insert into api_keys (
  id, user_id, environment, name, digest, hint, expires_at, metadata, scopes, models, networks, requests_per_second, expiry_warned_days
)
values (
  @id, @user_id, @environment, @name, @digest, @hint, @expires_at, @metadata, @scopes, @models, @networks, @requests_per_second, @expiry_warned_days
)
returning *;

-- name: APIKeyGet :one
-- One key of a user with its meter and what is known of its use.
select sqlc.embed(k), sqlc.embed(m), coalesce(u.requests, 0)::bigint as requests, u.last_used_at
from api_keys k join api_key_meters m on m.api_key_id = k.id left join api_key_uses u on u.api_key_id = k.id
where k.id = @id and k.user_id = @user_id;

-- name: APIKeyList :many
-- A page of a user's keys, newest first, as APIKeyGet gives them.
select sqlc.embed(k), sqlc.embed(m), coalesce(u.requests, 0)::bigint as requests, u.last_used_at
from (
  select p.id from api_keys p
  where p.user_id = @user_id and (sqlc.narg('environment')::text is null or p.environment = sqlc.narg('environment'))
  order by p.created_at desc, p.id desc
  limit sqlc.arg('row_limit')::int offset sqlc.arg('row_offset')::bigint
) page join api_keys k on k.id = page.id join api_key_meters m on m.api_key_id = k.id left join api_key_uses u on u.api_key_id = k.id
order by k.created_at desc, k.id desc;

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

-- name: APIKeyUpdate :exec
-- Sets what an owner may change of a key.
update api_keys
set name = @name, disabled_at = @disabled_at, metadata = @metadata, scopes = @scopes, models = @models, networks = @networks,
  requests_per_second = @requests_per_second, updated_at = now(),
  expires_at = @expires_at, expiry_warned_days = @expiry_warned_days
where id = @id and user_id = @user_id and revoked_at is null;

-- name: APIKeyRevoke :exec
-- Ends a key for good; again changes nothing.
update api_keys set revoked_at = coalesce(revoked_at, now()), updated_at = now()
where id = @id and user_id = @user_id;

-- name: APIKeyExpiringAnyOwner :many
-- Picks keys that expire until a moment, whose owners are to be warned first of that and then of the last day, and notes that they are.
with due as (
  select e.id, (case when e.expires_at - interval '1 day' <= @at::timestamptz then 1 else 7 end) as days
  from api_keys e
  where e.revoked_at is null and e.expires_at > @at::timestamptz and e.expires_at <= @until::timestamptz
    and (e.expiry_warned_days is null or e.expiry_warned_days > 1 and e.expires_at - interval '1 day' <= @at::timestamptz)
  order by e.expires_at limit 100 for no key update skip locked
)
update api_keys k set expiry_warned_days = due.days from due where k.id = due.id
returning k.*;

-- name: APIKeyBySecretSetAnyOwner :many
-- The keys with these digests among their secrets, what they may do and the state of their owners; a digest that is no
-- secret's gives no row. The caller has the clock.
select s.digest as secret_digest, s.expires_at as secret_expires_at, sqlc.embed(k), m.time_zone, m.requests_per_day,
  (m.spend_cap_micros is not null or m.running_cap is not null)::boolean as metered, u."role", u."banned", u."banExpires"
from api_key_secrets s join api_keys k on k.id = s.api_key_id join api_key_meters m on m.api_key_id = k.id
  join "user" u on u."id" = k.user_id
where s.digest = any (@digests::bytea[]);

-- name: APIKeySecretList :many
-- The secrets of some keys of a user that work at a moment, the newest first.
select s.* from api_key_secrets s join api_keys k on k.id = s.api_key_id
where k.user_id = @user_id and s.api_key_id = any (@api_key_ids::text[]) and (s.expires_at is null or s.expires_at > @now::timestamptz)
order by s.expires_at desc nulls first;

-- name: APIKeySecretEnd :execrows
-- Lets the newest secret of a user's key end at a moment.
update api_key_secrets s set expires_at = @expires_at::timestamptz
from api_keys k where k.id = s.api_key_id and k.user_id = @user_id and s.api_key_id = @api_key_id and s.expires_at is null;

-- name: APIKeySecretForget :exec
-- Removes the secrets of a user's key that have ended by a moment.
delete from api_key_secrets s
using api_keys k where k.id = s.api_key_id and k.user_id = @user_id and s.api_key_id = @api_key_id and s.expires_at <= @now::timestamptz;

-- name: APIKeySecretInsert :exec
-- Gives a user's key a new secret, and tells the key which is its newest.
with newest as (
  update api_keys set digest = @digest, hint = @hint, updated_at = @created_at::timestamptz
  where id = @api_key_id and user_id = @user_id
  returning id
)
insert into api_key_secrets (digest, api_key_id, hint, created_at)
select @digest, newest.id, @hint, @created_at::timestamptz from newest;

-- name: APIKeyRotationInsert :exec
-- Keeps the sealed answer of a rotation for as long as it may be asked for again.
insert into api_key_rotations (user_id, idempotency_digest, fingerprint, api_key_id, seal_key_id, ciphertext, expires_at)
values (@user_id, @idempotency_digest, @fingerprint, @api_key_id, @seal_key_id, @ciphertext, @expires_at);

-- name: APIKeyRotationGet :one
-- The kept answer of a rotation.
select * from api_key_rotations where user_id = @user_id and idempotency_digest = @idempotency_digest and expires_at > @now::timestamptz;

-- name: APIKeyRotationForgetAnyOwner :execrows
-- Removes answers that nobody may ask for any more.
delete from api_key_rotations where expires_at <= @now::timestamptz;

-- name: APIKeyUseAddSetAnyOwner :exec
-- Adds to what is known of the use of keys, one row a secret. Keys that are gone are left out.
with n as materialized (
  select unnest(@digests::bytea[]) as digest, unnest(@requests::bigint[]) as requests, unnest(@last_used_ats::timestamptz[]) as last_used_at
), secrets as (
  update api_key_secrets s set last_used_at = greatest(s.last_used_at, n.last_used_at)
  from n where s.digest = n.digest
)
insert into api_key_uses as u (api_key_id, requests, last_used_at)
select s.api_key_id, sum(n.requests)::bigint, max(n.last_used_at)
from n join api_key_secrets s on s.digest = n.digest
group by s.api_key_id order by s.api_key_id
on conflict on constraint api_key_uses_pkey do update
set requests = u.requests + excluded.requests, last_used_at = greatest(u.last_used_at, excluded.last_used_at);
