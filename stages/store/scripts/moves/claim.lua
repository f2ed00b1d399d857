-- claim: take up to `free` sessions from the tail of a queue into this supervisor's in-flight list.
-- Takes (queue, free, want, now): queue 1..4; want = 1 to read names and challenges too; now in seconds.
-- Appends to `claimed`: {queue, session, hash as flat array, names, challenges as flat arrays}.
-- What is due in the queue's delayed set comes to its list first (`group.lua` does so for the other queues behind the
-- claims). An entry that is gone, dead, already in flight or
-- of another state is not taken: it is dropped, or sent where its state says. One whose session waits for its client
-- is dropped too: the client's move brings it back. One that cannot be read is set aside.

local PROMOTED = 256 -- at once, at the most

local function first_due(queue) return tonumber(call('ZRANGE', DELAYED[queue], 0, 0, 'WITHSCORES')[2] or '') end

local function promote(queue, now, limit)
  local due = call('ZRANGEBYSCORE', DELAYED[queue], '-inf', now, 'LIMIT', 0, limit)
  if #due > 0 then
    call('ZREM', DELAYED[queue], unpack(due))
    call('LPUSH', PENDING[queue], unpack(due))
  end
end

local function read_claimed(queue, session, want)
  if string.find(session, '[^%w:_.-]') then return nil, 'quarantine' end
  local session_key = PREFIX .. session
  local hash = pcall_redis('HGETALL', session_key)
  if hash.err then return nil, 'quarantine' end
  local live, state, count, waiting, nudged
  for i = 1, #hash, 2 do
    local field = hash[i]
    if field == 'live' then live = hash[i + 1]
    elseif field == 'state' then state = hash[i + 1]
    elseif field == 'challenges' then count = tonumber(hash[i + 1])
    elseif field == 'waiting' then waiting = true
    elseif field == 'nudged' then nudged = true end
  end
  if #hash == 0 or live == 'False' or waiting then return nil, 'drop' end
  if state and QUEUE[state] and QUEUE[state] ~= queue then return nil, 'elsewhere', QUEUE[state] end
  local names, challenges = {}, {}
  if want == 1 then
    names = pcall_redis('LRANGE', names_key(session_key), 0, -1)
    if names.err then return nil, 'quarantine' end
    for n = 1, math.min(count or 0, 10000) do
      local challenge = pcall_redis('HGETALL', challenge_key(session_key, n))
      if challenge.err then return nil, 'quarantine' end
      challenges[n] = challenge
    end
  end
  -- What the client did before the claim is in the record that the stage now gets.
  if nudged then call('HDEL', session_key, 'nudged') end
  return {queue, session, hash, names, challenges}
end

local function claim(queue, free, want, now, claimed)
  promote(queue, now, free)
  while free > 0 do
    local popped = call('RPOP', PENDING[queue], free)
    if not popped then return end
    local taken = {}
    for _, session in ipairs(popped) do
      local record, verdict, state = nil, 'drop', nil
      if not in_flight_here()[session] then
        record, verdict, state = read_claimed(queue, session, want)
      end
      if record then
        flying[session] = true
        taken[#taken + 1] = session
        claimed[#claimed + 1] = record
      elseif verdict == 'elsewhere' then
        if not (call('LPOS', PENDING[state], session) or call('ZSCORE', DELAYED[state], session)) then
          call('LPUSH', PENDING[state], session)
        end
      elseif verdict == 'quarantine' then
        set_aside(session)
        claimed[#claimed + 1] = {0, session, {}, {}, {}}
      end
    end
    if #taken > 0 then call('LPUSH', INFLIGHT, unpack(taken)) end
    free = free - #taken
    if #popped < free then return end
  end
end
