-- revoke: a certificate is revoked (RFC 5280 5.3.1); it is on the list that the CRL is made from.
-- op: {'revoke', serial (hex), reason code, at (seconds), SHA-256 (hex) of a key to block or ''}
-- Returns {'ok'}, or {'refused', 'unknown' or 'already'}: the first reason and time stay. With 'already' the key is
-- blocked all the same: it is no less known for a certificate that was revoked before.

MOVES.revoke = function(op)
  local key = PREFIX .. 'certificate:' .. op[2]
  local found = call('HMGET', key, 'serial', 'revoked')
  if not found[1] then return {'refused', 'unknown'} end
  if op[5] and op[5] ~= '' then call('HSETNX', PREFIX .. 'blocked-keys', op[5], op[4] .. ' ' .. op[2]) end
  if found[2] then return {'refused', 'already'} end
  call('HSET', key, 'revoked', op[4], 'reason', op[3])
  call('HSET', REVOKED, op[2], op[4] .. ' ' .. op[3])
  return OK
end
