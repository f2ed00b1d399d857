-- The first half of every fenced move: is the session still this mover's to move?
-- Takes (session, state): the state in which the mover believes it.
-- Returns the session's key, its story, whether the client moved meanwhile and whether it has failed attempts, or nil
-- and the reason of refusal.
-- A session that has gone on to another state keeps its entry in the in-flight list: that entry answers a later claim.
-- `taken_out` is the session that left the in-flight list: a move that fails after this puts it back (`group.lua`).

local taken_out = false

local function begin(session, state)
  local session_key = PREFIX .. session
  local found = call('HMGET', session_key, 'live', 'state', 'story', 'waiting', 'nudged', 'attempts')
  if found[1] == 'True' and found[2] ~= state then return nil, 'state is another' end
  if call('LREM', INFLIGHT, -1, session) == 0 then return nil, 'not in flight here' end
  if found[1] ~= 'True' then return nil, 'not live' end
  if found[4] then return nil, 'waiting' end
  taken_out = session
  return session_key, found[3], found[5], found[6]
end
