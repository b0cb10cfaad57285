-- One decision of GCRA (ITU-T I.371, virtual scheduling) by the clock of the store, so that those of the nodes need not agree.
-- KEYS[1]: whose budget. Its value is the moment up to which the budget is used, in microseconds since 1970.
-- ARGV: what the request takes and what the whole budget is, in microseconds of the steady rate.
-- Gives whether the request is allowed, how much of the budget is used now, and by how much it is too much.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local take, room = tonumber(ARGV[1]), tonumber(ARGV[2])
local found = tonumber(redis.call('GET', KEYS[1]) or now)
local used = math.max(found, now)

local function keep(moment)
  redis.call('SET', KEYS[1], string.format('%.0f', moment), 'PX', math.ceil((moment - now) / 1000))
end

-- A clock that was set back, or a wider rule of before, may have left more than the whole budget.
if used > now + room then
  used = now + room
  keep(used)
end
local over = used + take - now - room
if over > 0 then
  return {0, used - now, over}
end
if take > 0 then
  used = used + take
  keep(used)
end
return {1, used - now, 0}
