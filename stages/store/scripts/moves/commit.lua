-- The first half of every fenced move: is the session still this mover's to move?
-- `begin` takes (session, state, fields ...): the state in which the mover believes it, and fields that the move needs.
-- Returns the session's key, its story, whether the client moved meanwhile, whether it has failed attempts, and what was
-- found (the fields from the seventh on); or nil and the reason of refusal. A session that has gone on to another state keeps its entry in the in-flight list: that
-- entry answers a later claim. `take_out` removes the entry; a move that fails after that puts it back (`group.lua`).

local taken_out = false

-- What is in flight here, read once for a group: asking the list for each session cost as much as all else.
local flying
local function in_flight_here()
  if not flying then
    flying = {}
    for _, session in ipairs(call('LRANGE', INFLIGHT, 0, -1)) do flying[session] = true end
  end
  return flying
end

local function take_out(session)
  call('LREM', INFLIGHT, -1, session)
  flying[session] = nil
end

local function begin(session, state, ...)
  local session_key = PREFIX .. session
  local found = call('HMGET', session_key, 'live', 'state', 'story', 'waiting', 'nudged', 'attempts', ...)
  if found[1] == 'True' and found[2] ~= state then return nil, 'state is another' end
  if not in_flight_here()[session] then return nil, 'not in flight here' end
  if found[1] ~= 'True' or found[4] then
    take_out(session)
    return nil, found[4] and 'waiting' or 'not live'
  end
  return session_key, found[3], found[5], found[6], found
end

-- `begin`, and the session leaves the in-flight list.
local function begin_leaving(session, state, ...)
  local session_key, story, nudged, attempts, found = begin(session, state, ...)
  if session_key then
    take_out(session)
    taken_out = session
  end
  return session_key, story, nudged, attempts, found
end
