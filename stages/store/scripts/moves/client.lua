-- Moves of the client's side: they need no lease, each is checked against the session itself, and a repeated one
-- changes nothing. `wake` brings a waiting or a delayed session back to its queue; any other is `nudged`, so that the
-- stage which holds it looks again.

local function wake(session, session_key, state, waiting)
  if waiting then
    call('HDEL', session_key, 'waiting')
    push(QUEUE[state], session)
  elseif call('ZREM', DELAYED[QUEUE[state]], session) == 1 then
    push(QUEUE[state], session)
  else
    call('HSET', session_key, 'nudged', '1')
  end
end

-- Whether the mover may go on with a session at once, which waits and is to be worked on now: it is in flight here then,
-- without the way through the list. `proven` is what the mover knows: '1' for each challenge in turn that is satisfied,
-- '0' for another. It may begin where the record says the same: nobody else has worked on the session since.
local function begin_here(session, session_key, waiting, count, proven)
  if not proven or TOKEN == '' or not waiting or count ~= tostring(#proven) then return false end
  if in_flight_here()[session] then return false end
  for n = 1, #proven do
    local satisfied = pcall_redis('HGET', challenge_key(session_key, n), 'satisfied') == 'True'
    if satisfied ~= (string.sub(proven, n, n) == '1') then return false end
  end
  call('HDEL', session_key, 'waiting')
  call('LPUSH', INFLIGHT, session)
  flying[session] = true
  return true
end

-- ready: the client says that challenge n can be tested.
-- op: {'ready', session, n, data as read, data to write, where the mover would begin at once: what is proven (or nothing)}
-- Returns {'ok'}, {'ok', 'kept'} (`begin_here`), {'changed'} when data is not as read (read again), or {'refused', why}.
MOVES.ready = function(op)
  local session_key = PREFIX .. op[2]
  local found = call('HMGET', session_key, 'live', 'state', 'waiting', 'story', 'challenges')
  if found[1] ~= 'True' then return {'refused', 'not live'} end
  if found[2] ~= 'testchallenge' then return {'refused', 'state is another'} end
  local key = challenge_key(session_key, op[3])
  local data = call('HGET', key, 'data')
  if data == op[5] then return OK end
  if data ~= op[4] then return {'changed'} end
  call('HSET', key, 'data', op[5])
  call('HSET', session_key, 'story', story_with(found[4], NOW, 'challenge ' .. op[3] .. ' said to be ready'))
  if begin_here(op[2], session_key, found[3], found[5], op[6]) then return KEPT end
  wake(op[2], session_key, found[2], found[3])
  return OK
end

-- finalize: the CSR arrives (RFC 8555 7.4), and with it the intent of its certificate, as `reserve` writes it.
-- op: {'finalize', session, csr (PEM), SHA-256 (hex) of its key or '', serial (hex) or '', intent (JSON) or '',
-- as in ready}
-- Returns {'ok'}, {'ok', 'kept'} (`begin_here`) or {'refused', why}. The first CSR stays, and its intent: a session never has two serials. The key
-- must not be one that was revoked as compromised.
MOVES.finalize = function(op)
  local session_key = PREFIX .. op[2]
  local found = call('HMGET', session_key, 'live', 'state', 'waiting', 'story', 'csr', 'intent', 'challenges')
  if found[1] ~= 'True' then return {'refused', 'not live'} end
  if found[5] and found[5] ~= '' then
    if found[5] == op[3] then return OK end
    return {'refused', 'finalized before'}
  end
  if found[2] ~= 'issue' then return {'refused', 'state is another'} end
  if op[4] and op[4] ~= '' and call('HEXISTS', PREFIX .. 'blocked-keys', op[4]) == 1 then
    return {'refused', 'blocked'}
  end
  local story, proven = story_with(found[4], NOW, 'finalized'), op[7]
  if op[5] ~= '' and not found[6] then
    story = story_with(story, NOW, 'serial ' .. op[5] .. ' reserved')
    call('HSET', session_key, 'csr', op[3], 'serial', op[5], 'intent', op[6], 'story', story)
  else
    proven = nil -- the mover does not know the intent on record
    call('HSET', session_key, 'csr', op[3], 'story', story)
  end
  if begin_here(op[2], session_key, found[3], found[7], proven) then return KEPT end
  wake(op[2], session_key, found[2], found[3])
  return OK
end

-- deliver: how far the certificate has come: 'sent' or 'confirmed'. It never goes back.
-- op: {'deliver', session, step, serial (hex) or '', until (unix time) or '', false or {keep (seconds), story line}}
-- Returns {'ok'}, {'ok', 'retired'} or {'refused', why}. A session that retired changes with its certificate; where it is
-- gone, the certificate with this serial changes alone. With `until` a waiting session goes on waiting, until then: for a
-- step after which nothing is to be done yet. With a pair instead, a waiting session retires in the same step: for the
-- last one.
local function note_delivery(certificate, step)
  local found = call('HMGET', certificate, 'serial', 'delivery')
  if found[1] and found[2] ~= 'confirmed' and found[2] ~= step then call('HSET', certificate, 'delivery', step) end
end

MOVES.deliver = function(op)
  local session_key = PREFIX .. op[2]
  local found = call('HMGET', session_key, 'live', 'state', 'waiting', 'story', 'delivery', 'serial', 'challenges',
                     'replaces')
  if not found[2] and op[4] and op[4] ~= '' then
    local certificate = PREFIX .. 'certificate:' .. op[4]
    if call('HGET', certificate, 'session') ~= op[2] then return {'refused', 'state is another'} end
    note_delivery(certificate, op[3])
    return OK
  end
  if found[2] ~= 'done' then return {'refused', 'state is another'} end
  if found[5] == 'confirmed' or found[5] == op[3] then return OK end
  local story = story_with(found[4], NOW, 'delivery ' .. op[3])
  call('HSET', session_key, 'delivery', op[3], 'delivered', NOW, 'story', story)
  if found[1] == 'True' and found[3] and op[6] then
    call('HDEL', session_key, 'waiting')
    retire(session_key, op[6][1], story_with(story, NOW, op[6][2]), found[6], op[3], found[7], found[8])
    return {'ok', 'retired'}
  elseif found[1] == 'True' and found[3] and op[5] and op[5] ~= '' then
    call('HSET', session_key, 'waiting', op[5])
  elseif found[1] == 'True' then
    wake(op[2], session_key, found[2], found[3])
  elseif found[6] then
    note_delivery(PREFIX .. 'certificate:' .. found[6], op[3])
  end
  return OK
end

-- cancel: the client or the operator gives the session up; it is dead wherever it was.
-- op: {'cancel', session, error (JSON), keep (seconds), story line}
-- Returns {'ok'} or {'refused', why}. A certificate that exists stays: a done session cannot be cancelled.
MOVES.cancel = function(op)
  local session_key = PREFIX .. op[2]
  local found = call('HMGET', session_key, 'live', 'state', 'story', 'challenges')
  if found[1] ~= 'True' then return {'refused', 'not live'} end
  if found[2] == 'done' then return {'refused', 'issued already'} end
  call('HSET', session_key, 'live', 'False', 'error', op[3], 'story', story_with(found[3], NOW, op[5]))
  call('HDEL', session_key, 'waiting', 'nudged')
  local queue = QUEUE[found[2]]
  call('LREM', PENDING[queue], 0, op[2])
  call('ZREM', DELAYED[queue], op[2])
  call('LREM', INFLIGHT, 0, op[2])
  flying = nil
  expire_session(session_key, op[4], found[4])
  finished.rejected = finished.rejected + 1
  return OK
end
