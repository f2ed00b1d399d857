-- retire: the done stage is finished with a session; its certificate stays on record, with how far it came.
-- op: {'retire', session, keep (seconds), story line}
-- Returns {'ok'} or {'refused', why}.

-- The session is dead from now on; `story` has its last line already.
local function retire(session_key, keep, story, serial, delivery, challenges, replaces)
  call('HSET', session_key, 'live', 'False', 'story', story)
  local certificate = serial and PREFIX .. 'certificate:' .. serial
  -- A short-lived certificate may be forgotten before its session is.
  if certificate and call('EXISTS', certificate) == 1 then
    call('HSET', certificate, 'delivery', delivery or 'issued')
  end
  -- When the session is gone, this still says that the certificate was replaced (RFC 9773 5).
  local replaced = replaces and PREFIX .. 'certificate:' .. replaces
  if replaced and serial and call('EXISTS', replaced) == 1 then call('HSET', replaced, 'successor', serial) end
  expire_session(session_key, keep, challenges)
  finished.retired = finished.retired + 1
end

MOVES.retire = function(op)
  local session_key, story, nudged, attempts, found =
    begin_leaving(op[2], 'done', 'serial', 'delivery', 'challenges', 'replaces')
  if not session_key then return {'refused', story} end
  if nudged or attempts then call('HDEL', session_key, 'attempts', 'nudged') end
  retire(session_key, op[3], story_with(story, NOW, op[4]), found[7], found[8], found[9], found[10])
  return OK
end
