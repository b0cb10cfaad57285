-- name: SessionByTokenAnyOwner :one
-- A session, live or expired, with its user. The caller has the clock.
select sqlc.embed(s), sqlc.embed(u)
from "session" s join "user" u on u."id" = s."userId"
where s."token" = @token;

-- name: SessionInsert :one
-- Opens a session.
insert into "session" ("id", "expiresAt", "token", "createdAt", "updatedAt", "ipAddress", "userAgent", "userId")
values (@id, @expires_at::timestamptz, @token, @created_at::timestamptz, @created_at::timestamptz, sqlc.narg('ip_address'), sqlc.narg('user_agent'), @user_id)
returning *;

-- name: SessionExtendAnyOwner :one
-- Moves the end of a live session.
update "session" set "expiresAt" = @expires_at::timestamptz, "updatedAt" = @updated_at::timestamptz
where "token" = @token
returning *;

-- name: SessionDeleteAnyOwner :one
-- Ends a session and tells which and whose it was.
delete from "session" where "token" = @token returning "id", "userId";

-- name: SessionForgetAnyOwner :execrows
-- Removes sessions that ran out some days ago, a bounded number at a time.
delete from "session" s
where s.ctid = any (array(
  select e.ctid from "session" e where e."expiresAt" < now() - sqlc.arg('days')::int * interval '1 day'
  order by e."expiresAt" limit @max_rows::int));

-- name: VerificationForgetAnyOwner :execrows
-- Removes verifications that ran out some days ago, a bounded number at a time.
delete from "verification" v
where v.ctid = any (array(
  select e.ctid from "verification" e where e."expiresAt" < now() - sqlc.arg('days')::int * interval '1 day'
  order by e."expiresAt" limit @max_rows::int));

-- name: UserByEmail :one
-- A user with the password hash of the credential account, if there is one.
select sqlc.embed(u), a."password"
from "user" u left join "account" a on a."userId" = u."id" and a."accountId" = u."id" and a."providerId" = 'credential'
where u."email" = @email;

-- name: UserLock :one
-- Makes those who count and then add rows of one user take turns.
select "id" from "user" where "id" = @id for no key update;

-- name: UserInsert :one
-- Adds a user.
insert into "user" ("id", "name", "email", "emailVerified", "image", "createdAt", "updatedAt")
values (@id, @name, @email, false, sqlc.narg('image'), @created_at::timestamptz, @created_at::timestamptz)
returning *;

-- name: CredentialInsert :exec
-- Adds the account that lets a user sign in with a password.
insert into "account" ("id", "accountId", "providerId", "userId", "password", "createdAt", "updatedAt")
values (@id, @user_id, 'credential', @user_id, @password, @created_at::timestamptz, @created_at::timestamptz);
