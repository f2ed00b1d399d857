-- Moves of the credentials for external accounts (RFC 8555 7.3.4): the hash `eab:<kid>`, and `eab`, where all are.

local function credential_key(kid) return PREFIX .. 'eab:' .. kid end

-- nil, or the refusal where no account can be made with it; the order is that of `stages.external.Credential.state`.
local function credential_refuses(kid)
  local found = call('HMGET', credential_key(kid), 'key', 'withdrawn', 'expires', 'single', 'used')
  if not found[1] then return {'refused', 'eab unknown'} end
  if found[2] ~= '0' then return {'refused', 'eab withdrawn'} end
  if found[3] ~= '0' and tonumber(NOW) >= tonumber(found[3]) then return {'refused', 'eab expired'} end
  if found[4] == 'True' and found[5] ~= '0' then return {'refused', 'eab used'} end
  return nil
end

-- create_credential: the operator makes one.
-- op: {'create_credential', kid, fields (flat), created (seconds)}
-- Returns {'ok'}, or {'refused', 'exists'} where another one has the kid; it is the same one when its key is.
MOVES.create_credential = function(op)
  local key, there = nil, call('HGET', credential_key(op[2]), 'key')
  for i = 1, #op[3], 2 do
    if op[3][i] == 'key' then key = op[3][i + 1] end
  end
  if there then return there == key and OK or {'refused', 'exists'} end
  call('HSET', credential_key(op[2]), unpack(op[3]))
  call('ZADD', PREFIX .. 'eab', op[4], op[2])
  return OK
end

-- withdraw_credential: no account can be made with it any more; those that were made stay.
-- op: {'withdraw_credential', kid, at (seconds)}
-- Returns {'ok'} or {'refused', 'unknown'}. The first withdrawal stays.
MOVES.withdraw_credential = function(op)
  local withdrawn = call('HGET', credential_key(op[2]), 'withdrawn')
  if not withdrawn then return {'refused', 'unknown'} end
  if withdrawn == '0' then call('HSET', credential_key(op[2]), 'withdrawn', op[3]) end
  return OK
end
