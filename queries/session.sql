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

-- name: SessionListLive :many
-- A user's live sessions, the oldest first.
select * from "session" where "userId" = @user_id and "expiresAt" >= @now::timestamptz order by "createdAt", "id" limit 1000;

-- name: SessionDelete :one
-- Ends a session if it is the user's.
delete from "session" where "token" = @token and "userId" = @user_id returning "id";

-- name: SessionDeleteOthers :execrows
-- Ends a user's sessions but one. Without one to keep, all.
delete from "session" where "userId" = @user_id and "id" <> @kept_id;

-- name: UserByID :one
-- A user with the password hash of the credential account, if there is one.
select sqlc.embed(u), a."password"
from "user" u left join "account" a on a."userId" = u."id" and a."accountId" = u."id" and a."providerId" = 'credential'
where u."id" = @id;

-- name: VerificationInsert :exec
-- Stores what a link in a mail is good for.
insert into "verification" ("id", "identifier", "value", "expiresAt", "createdAt", "updatedAt")
values (@id, @identifier, @value, @expires_at::timestamptz, @created_at::timestamptz, @created_at::timestamptz);

-- name: VerificationByIDAnyOwner :one
-- What a mail that is about to be sent refers to.
select * from "verification" where "id" = @id;

-- name: VerificationByIdentifierAnyOwner :one
-- What a link is good for; the newest when there are several.
select * from "verification" where "identifier" = @identifier order by "createdAt" desc limit 1;

-- name: VerificationConsumeAnyOwner :execrows
-- Uses up what a link is good for. 0 when somebody else was quicker.
delete from "verification" where "identifier" = @identifier and "expiresAt" >= @now::timestamptz;

-- name: SignInAttempt :one
-- Counts a guess before the password is looked at. No row when the account has to wait. After the fifth in a row it waits
-- a second, and twice as long after each further one, up to 15 minutes; a day without a guess forgets them.
insert into sign_in_failures as f (account, failures, waits_until, last_at)
values (@account, 1, @now::timestamptz, @now::timestamptz)
on conflict (account) do update set
  failures = case when f.last_at < excluded.last_at - interval '1 day' then 1 else least(f.failures + 1, 1000) end,
  waits_until = excluded.last_at + case
    when f.last_at < excluded.last_at - interval '1 day' or f.failures + 1 < 5 then interval '0'
    else least(900, power(2, least(f.failures - 4, 10))) * interval '1 second' end,
  last_at = excluded.last_at
where f.waits_until <= excluded.last_at
returning failures;

-- name: SignInWait :one
-- Until when an account has to wait.
select waits_until from sign_in_failures where account = @account;

-- name: SignInUncount :exec
-- Takes back a guess that nobody looked at.
update sign_in_failures set failures = greatest(failures - 1, 0), waits_until = @now::timestamptz where account = @account;

-- name: SignInForgive :exec
-- Forgets an account's guesses, since its owner has shown up.
delete from sign_in_failures where account = @account;

-- name: SignInFailureForgetAnyOwner :exec
-- Removes guesses of days ago, a few at a time.
delete from sign_in_failures f
where f.ctid = any (array(select e.ctid from sign_in_failures e where e.last_at < @before::timestamptz order by e.last_at limit 10));
