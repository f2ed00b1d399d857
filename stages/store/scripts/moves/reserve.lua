-- reserve: write the intent of a signature before the signature; the session stays in flight.
-- op: {'reserve', session, serial (hex), intent (JSON)}
-- Returns {'ok', serial, intent}: the intent on record, which is the earlier one if there was one: a session never
-- has two serials. Or {'refused', why}.

MOVES.reserve = function(op)
  local session_key = PREFIX .. op[2]
  local found = call('HMGET', session_key, 'live', 'state', 'serial', 'intent', 'story')
  if found[1] ~= 'True' then return {'refused', 'not live'} end
  if found[2] ~= 'issue' then return {'refused', 'state is another'} end
  if not in_flight_here()[op[2]] then return {'refused', 'not in flight here'} end
  if found[4] then return {'ok', found[3], found[4]} end
  call('HSET', session_key, 'serial', op[3], 'intent', op[4],
       'story', story_with(found[5], NOW, 'serial ' .. op[3] .. ' reserved'))
  return {'ok', op[3], op[4]}
end
