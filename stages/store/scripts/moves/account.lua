-- Moves of ACME accounts. `account-key:<thumbprint>` is the claim on a key: it is taken, and given up, together with
-- what the account says of its key, so that no two accounts ever have the same.

local function account_key(account) return PREFIX .. 'account:' .. account end
local function orders_key(account) return PREFIX .. 'account:' .. account .. ':orders' end
local function holder_key(thumbprint) return PREFIX .. 'account-key:' .. thumbprint end

-- new_account: find or create the account with this key (RFC 8555 7.3, 7.3.1).
-- op: {'new_account', id, thumbprint, fields (flat), kid of the external account or '', limits}
-- Returns {'ok', id, 'created' or 'existing'}, {'refused', 'eab ...'} (external.lua) or {'refused', 'limited', ...}
-- (limits.lua). What exists costs nothing; a second one with the same id is answered as the first.
MOVES.new_account = function(op)
  local account, holder = op[2], call('GET', holder_key(op[3]))
  if holder and holder ~= account then return {'ok', holder, 'existing'} end
  if holder or call('EXISTS', account_key(account)) == 1 then return {'ok', account, 'created'} end
  local refused = op[5] ~= '' and credential_refuses(op[5]) or refused_by(op[6])
  if refused then return refused end
  spend(op[6])
  call('HSET', account_key(account), unpack(op[4]))
  call('SET', holder_key(op[3]), account)
  if op[5] ~= '' then call('HINCRBY', credential_key(op[5]), 'used', 1) end
  return {'ok', account, 'created'}
end

-- update_account: other contacts, or the terms agreed to (RFC 8555 7.3.2).
-- op: {'update_account', id, fields (flat)}: `contact` and `terms` only.
-- Returns {'ok'}, {'refused', 'unknown' or 'not valid'}.
MOVES.update_account = function(op)
  local status = call('HGET', account_key(op[2]), 'status')
  if status ~= 'valid' then return {'refused', status and 'not valid' or 'unknown'} end
  for i = 1, #op[3], 2 do
    if op[3][i] ~= 'contact' and op[3][i] ~= 'terms' then return {'error', 'no field to update'} end
  end
  if #op[3] > 0 then call('HSET', account_key(op[2]), unpack(op[3])) end
  return OK
end

-- restrict_account: what the account may ask for, in place of what was; without fields, whatever the CA allows.
-- op: {'restrict_account', id, fields (flat)}: `names`, `deny` and `profiles` only.
-- Returns {'ok'}, {'refused', 'unknown' or 'not valid'}.
MOVES.restrict_account = function(op)
  local status = call('HGET', account_key(op[2]), 'status')
  if status ~= 'valid' then return {'refused', status and 'not valid' or 'unknown'} end
  for i = 1, #op[3], 2 do
    if op[3][i] ~= 'names' and op[3][i] ~= 'deny' and op[3][i] ~= 'profiles' then return {'error', 'no rule'} end
  end
  call('HDEL', account_key(op[2]), 'names', 'deny', 'profiles')
  if #op[3] > 0 then call('HSET', account_key(op[2]), unpack(op[3])) end
  return OK
end

-- deactivate: the account is at its end (RFC 8555 7.3.6), by its client or by the operator; so are its orders that
-- have no certificate. Its key stays taken.
-- op: {'deactivate', id, status, at (seconds), error (JSON), keep (seconds), story line}
-- Returns {'ok'}, {'refused', 'unknown' or 'not valid'}.
MOVES.deactivate = function(op)
  local status = call('HGET', account_key(op[2]), 'status')
  if status == op[3] then return OK end
  if status ~= 'valid' then return {'refused', status and 'not valid' or 'unknown'} end
  call('HSET', account_key(op[2]), 'status', op[3], 'ended', op[4])
  for _, session in ipairs(call('ZRANGE', orders_key(op[2]), 0, -1)) do
    -- One that is dead, done or unreadable is left as it is, and stops no other.
    pcall(MOVES.cancel, {'cancel', session, op[5], op[6], op[7]})
  end
  return OK
end

-- change_key: the account has another key (RFC 8555 7.3.5).
-- op: {'change_key', id, thumbprint of the old key, of the new one, new key (JSON)}
-- Returns {'ok'}, {'refused', 'in use', id of who has it}, {'refused', 'key is another' or 'not valid' or 'unknown'}.
-- Challenges that are still to be tested are proven with the new key, which is what the client will use from now on.
MOVES.change_key = function(op)
  local account = op[2]
  local found = call('HMGET', account_key(account), 'status', 'thumbprint')
  if found[1] ~= 'valid' then return {'refused', found[1] and 'not valid' or 'unknown'} end
  if found[2] == op[4] then return OK end
  if found[2] ~= op[3] then return {'refused', 'key is another'} end
  local holder = call('GET', holder_key(op[4]))
  if holder and holder ~= account then return {'refused', 'in use', holder} end
  call('SET', holder_key(op[4]), account)
  call('DEL', holder_key(op[3]))
  call('HSET', account_key(account), 'thumbprint', op[4], 'jwk', op[5])
  for _, session in ipairs(call('ZRANGE', orders_key(account), 0, -1)) do
    local order = pcall_redis('HMGET', PREFIX .. session, 'live', 'state')
    if order[1] == 'True' and (order[2] == 'makechallenge' or order[2] == 'testchallenge') then
      call('HSET', PREFIX .. session, 'thumbprint', op[4])
    end
  end
  return OK
end
