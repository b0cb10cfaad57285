-- name: UserUpdate :one
-- Sets a user's name and image.
update "user" set "name" = @name, "image" = sqlc.narg('image'), "updatedAt" = @updated_at::timestamptz where "id" = @id
returning *;

-- name: UserSetEmail :one
-- Gives a user another address, if he has the one that is thought.
update "user" set "email" = @email, "updatedAt" = @updated_at::timestamptz where "id" = @id and "email" = @old_email
returning *;

-- name: UserSetVerified :one
-- Notes that an address was proved to be the user's, if he still has it.
update "user" set "emailVerified" = true, "updatedAt" = @updated_at::timestamptz where "id" = @id and "email" = @email
returning *;

-- name: UserDelete :execrows
-- Removes a user; sessions and accounts of Better Auth go along.
delete from "user" where "id" = @id;

-- name: CredentialSet :execrows
-- Sets the password of a user who has one.
update "account" set "password" = @password, "updatedAt" = @updated_at::timestamptz
where "userId" = @user_id and "accountId" = @user_id and "providerId" = 'credential';

-- name: TaskAnyOpen :one
-- Tells whether a task of a user is under way, after locking the account that would pay for another.
select exists (select 1 from tasks t where t.user_id = a.user_id and t.completed_at is null) as any_open
from accounts a where a.user_id = @user_id for no key update of a;

-- name: APIKeyRevokeOfUser :execrows
-- Ends all keys of a user for good.
update api_keys set revoked_at = now(), updated_at = now() where user_id = @user_id and revoked_at is null;
