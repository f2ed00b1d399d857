-- scan: look at a batch of active-requests from its tail, the oldest first.
-- KEYS: 1 active-requests.
-- ARGV: prefix, batch size, mode ('rotate': finished sessions are dropped and the rest goes to the head, so that
-- the next batch is at the tail; 'look': nothing changes), offset from the tail (mode 'look').
-- Returns msgpack {entries looked at, finished among them, {each as in found.lua ...}}.

--@include found.lua

local prefix, size, mode, offset = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local batch
if mode == 'rotate' then
  batch = call('RPOP', KEYS[1], size) or {}
else
  batch = call('LRANGE', KEYS[1], -offset - size, -offset - 1)
end
local all, kept = {}, {}
for i, session in ipairs(batch) do
  local one, finished = found(session, prefix .. session)
  all[i] = one
  if not finished then kept[#kept + 1] = session end
end
if mode == 'rotate' then
  -- Lua's unpack has room for some 8,000 values; a call that failed here would lose the batch.
  for from = 1, #kept, 1000 do call('LPUSH', KEYS[1], unpack(kept, from, math.min(from + 999, #kept))) end
end
return cmsgpack.pack({#batch, #batch - #kept, all})
