-- recover: do what recovery has decided for a batch of sessions.
-- KEYS: as in prelude.lua; LEASE is the caller's.
-- ARGV: prefix, fencing number, now (text, seconds), keep (seconds),
-- decisions as msgpack {{session, action, state as read, more} ...}: more is the reason of 'kill', and of 'requeue'
-- 'dead only' when it was seen in flight with dead supervisors and nowhere else.
-- Which supervisors live is looked up here: one may have come or gone since the decisions were made.
-- Actions: 'requeue' (once on the queue of its state), 'drop' (from every list), 'kill' (dead with the reason, JSON),
-- 'advance' (state issue with a certificate: on to done), 'quarantine'.
-- Returns msgpack: for each decision 'done', or why it was left: 'state changed', 'in place now'. What was read may have moved
-- since; so it is looked at again here, where nothing moves. Error LEASE as in group.lua.

local PREFIX, TOKEN, NOW, KEEP = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local decisions = cmsgpack.unpack(ARGV[5])

--@include prelude.lua

if call('GET', LEASE) ~= TOKEN then return redis.error_reply('LEASE lost') end

local DEAD, LIVING = {}, {}
for _, supervisor in ipairs(call('HKEYS', PREFIX .. 'supervisors')) do
  local lists = call('EXISTS', PREFIX .. 'supervisor:' .. supervisor) == 1 and LIVING or DEAD
  lists[#lists + 1] = PREFIX .. 'inflight:' .. supervisor
end

local function remove_from_dead(session)
  local removed = 0
  for _, list in ipairs(DEAD) do removed = removed + call('LREM', list, 0, session) end
  return removed
end

local function remove_everywhere(session)
  for queue = 1, 4 do
    call('LREM', PENDING[queue], 0, session)
    call('ZREM', DELAYED[queue], session)
  end
  remove_from_dead(session)
end

local function in_flight(session)
  for _, list in ipairs(LIVING) do
    if call('LPOS', list, session) then return true end
  end
  return false
end

local function places(session)
  local count = 0
  for queue = 1, 4 do
    count = count + #call('LPOS', PENDING[queue], session, 'COUNT', 0)
    if call('ZSCORE', DELAYED[queue], session) then count = count + 1 end
  end
  return count
end

local ACTIONS = {}

function ACTIONS.requeue(session, state, session_key, seen)
  local found = call('HMGET', session_key, 'live', 'state', 'waiting', 'story')
  if found[1] ~= 'True' or found[2] ~= state then return 'state changed' end
  if in_flight(session) then
    remove_everywhere(session)
    return 'done'
  end
  local queue = QUEUE[state]
  local waiting = tonumber(found[3] or '')
  local due = not waiting or waiting <= tonumber(NOW)
  if not due then
    remove_everywhere(session)
    return 'done'
  end
  -- What was seen with a dead supervisor only, and still is there, can have come to no queue meanwhile: a search of long
  -- queues for each would make a scan slower than linear.
  if waiting or seen ~= 'dead only' or remove_from_dead(session) == 0 then
    local at_home = call('LPOS', PENDING[queue], session) or call('ZSCORE', DELAYED[queue], session)
    if not waiting and at_home and places(session) == 1 then
      remove_from_dead(session)
      return 'in place now'
    end
    remove_everywhere(session)
  end
  call('HDEL', session_key, 'waiting', 'nudged')
  call('HSET', session_key, 'story', story_with(found[4], NOW, (waiting and 'wait for the client ended: back on ' or 'recovered: back on ') .. state))
  call('RPUSH', PENDING[queue], session)
  return 'done'
end

function ACTIONS.drop(session, _, session_key)
  if call('HGET', session_key, 'live') == 'True' then return 'state changed' end
  remove_everywhere(session)
  for _, list in ipairs(LIVING) do call('LREM', list, 0, session) end
  call('LREM', ACTIVE, 0, session)
  return 'done'
end

function ACTIONS.kill(session, state, session_key, reason)
  local found = call('HMGET', session_key, 'live', 'state', 'story', 'challenges')
  if found[1] ~= 'True' or found[2] ~= state then return 'state changed' end
  if in_flight(session) then return 'in place now' end
  remove_everywhere(session)
  call('HSET', session_key, 'live', 'False', 'error', reason, 'story', story_with(found[3], NOW, 'ended: too old for ' .. state))
  call('HDEL', session_key, 'waiting', 'nudged')
  call('LREM', ACTIVE, 1, session) -- found fast: the scan has just put it near the head
  expire_session(session_key, KEEP, found[4])
  finished.rejected = finished.rejected + 1
  return 'done'
end

function ACTIONS.advance(session, state, session_key)
  local found = call('HMGET', session_key, 'live', 'state', 'story')
  if found[1] ~= 'True' or found[2] ~= state then return 'state changed' end
  if in_flight(session) then return 'in place now' end
  remove_everywhere(session)
  call('HSET', session_key, 'state', 'done', 'delivery', 'issued', 'delivered', NOW,
       'story', story_with(found[3], NOW, 'recovered: has its certificate, on to done'))
  call('HDEL', session_key, 'waiting', 'nudged', 'attempts')
  call('LPUSH', PENDING[4], session)
  return 'done'
end

function ACTIONS.quarantine(session)
  remove_everywhere(session)
  set_aside(session)
  return 'done'
end

local results = {}
for i, decision in ipairs(decisions) do
  local session = decision[1]
  local done, result = pcall(ACTIONS[decision[2]], session, decision[3], PREFIX .. session, decision[4])
  results[i] = done and result or (type(result) == 'table' and result.err or tostring(result))
end
flush_finished()
return cmsgpack.pack(results)
