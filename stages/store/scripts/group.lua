-- group: the one script of the hot path. Commits what is ready, then claims for the slots that are free.
-- KEYS: as in prelude.lua.
-- ARGV[1]: prefix. ARGV[2]: channel to say "something was pushed" on, or '' (this process pushed, it knows).
-- ARGV[3]: msgpack {fencing number or '', now (text, whole seconds), now (exact), moves, claims {{queue, free, want}},
-- number of the group, its lane}; 0 and 0 without a lease. Numbers of a lane grow.
-- A group sent again (its number is not above the lane's last: its reply was lost) is not made again: results is then false, and it claims nothing.
-- ARGV[4]: the supervisor's id, or '-'.
-- Returns msgpack {results, claimed, lengths of the 4 queues, of their delayed sets, next due time or 0, sequence:
-- grows in the order in which groups of both lanes were made}; results[i]
-- answers moves[i]. Nothing is done at all, and the error LEASE comes back, when the lease is not the caller's.
-- Each move is checked and made for itself: one that fails answers {'error', why} and touches no other; its session
-- stays in flight. Without a lease nothing is claimed, and only the moves of the client's side are made.

local PREFIX, CHANNEL, SUPERVISOR = ARGV[1], ARGV[2], ARGV[4]
local request = cmsgpack.unpack(ARGV[3])
local TOKEN, NOW, EXACTLY, moves, claims = request[1], request[2], request[3], request[4], request[5]
local NUMBER, LANE = request[6], request[7]
local OK, KEPT, MOVES = {'ok'}, {'ok', 'kept'}, {}

--@include prelude.lua
--@include moves/commit.lua
--@include moves/claim.lua
--@include moves/advance.lua
--@include moves/wait.lua
--@include moves/retry.lua
--@include moves/reject.lua
--@include moves/retire.lua
--@include moves/release.lua
--@include moves/quarantine.lua
--@include moves/reserve.lua
--@include moves/resync.lua
--@include moves/submit.lua
--@include moves/client.lua
--@include moves/revoke.lua
--@include moves/limits.lua
--@include moves/external.lua
--@include moves/account.lua
--@include moves/order.lua

local UNFENCED = {
  submit = true, ready = true, finalize = true, deliver = true, cancel = true, revoke = true, order = true,
  new_account = true, update_account = true, deactivate = true, change_key = true, renew_by = true,
  restrict_account = true, create_credential = true, withdraw_credential = true,
}

if TOKEN ~= '' and call('GET', LEASE) ~= TOKEN then return redis.error_reply('LEASE lost') end

local results, sequence = {}, 0
if TOKEN == '' then
  claims = {}
else
  local lanes = call('HMGET', GROUPS, SUPERVISOR .. ':' .. LANE, SUPERVISOR .. ':' .. 1 - LANE)
  local last = tonumber(lanes[1] or '') or 0
  if last >= NUMBER then results, moves, claims = false, {}, {} end
  last = math.max(last, NUMBER)
  sequence = last + (tonumber(lanes[2] or '') or 0)
  -- Written also by a group sent again: WAITAOF waits for the disk only after a write of the same connection. One that
  -- comes late leaves the number of a later group: with its own, groups between the two would be made once more.
  call('HSET', GROUPS, SUPERVISOR .. ':' .. LANE, last)
end
for i, op in ipairs(moves) do
  if TOKEN == '' and not UNFENCED[op[1]] then
    results[i] = {'error', 'needs a lease'}
  else
    taken_out = false
    local done, result = pcall(MOVES[op[1]], op)
    if not done and taken_out then
      call('LPUSH', INFLIGHT, taken_out)
      flying = nil
    end
    results[i] = done and result or {'error', type(result) == 'table' and result.err or tostring(result)}
  end
end
local pushed = #pushes[1] + #pushes[2] + #pushes[3] + #pushes[4] > 0
flush_pushes()
flush_finished()
if pushed and CHANNEL ~= '' then call('PUBLISH', CHANNEL, 'pushed') end

local claimed = {}
for _, wanted in ipairs(claims) do claim(wanted[1], wanted[2], wanted[3], EXACTLY, claimed) end

local lengths, delayed, next_due = {}, {}, 0
for queue = 1, 4 do
  local due = first_due(queue)
  if due and due <= EXACTLY and #claims > 0 then
    -- Also where no slot is free: else the next due time would not be one to come, and be waited for in vain.
    promote(queue, EXACTLY, PROMOTED)
    due = first_due(queue)
  end
  if due and (next_due == 0 or due < next_due) then next_due = due end
  lengths[queue] = call('LLEN', PENDING[queue])
  delayed[queue] = due and call('ZCARD', DELAYED[queue]) or 0
end
return cmsgpack.pack({results, claimed, lengths, delayed, next_due, sequence})
