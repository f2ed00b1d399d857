-- retire: the done stage is finished with a session; its certificate stays on record, with how far it came.
-- op: {'retire', session, keep (seconds), story line}
-- Returns {'ok'} or {'refused', why}.

MOVES.retire = function(op)
  local session_key, story, nudged, attempts, found =
    begin_leaving(op[2], 'done', 'serial', 'delivery', 'challenges', 'replaces')
  if not session_key then return {'refused', story} end
  call('HSET', session_key, 'live', 'False', 'story', story_with(story, NOW, op[4]))
  if nudged or attempts then call('HDEL', session_key, 'attempts', 'nudged') end
  local certificate = found[7] and PREFIX .. 'certificate:' .. found[7]
  -- A short-lived certificate may be forgotten before its session is.
  if certificate and call('EXISTS', certificate) == 1 then
    call('HSET', certificate, 'delivery', found[8] or 'issued')
  end
  -- When the session is gone, this still says that the certificate was replaced (RFC 9773 5).
  local replaced = found[10] and PREFIX .. 'certificate:' .. found[10]
  if replaced and found[7] and call('EXISTS', replaced) == 1 then call('HSET', replaced, 'successor', found[7]) end
  expire_session(session_key, op[3], found[9])
  finished.retired = finished.retired + 1
  return OK
end
