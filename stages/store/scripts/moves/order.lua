-- order: a new session of an account (RFC 8555 7.4).
-- op: {'order', session, fields (flat), names, account, serial (hex) of the certificate that it replaces or '', limits,
-- how many unfinished orders the account may have (0 for any number), challenges {{n, fields (flat)}}, story line}
-- With challenges, its fields say what makechallenge and a first look of testchallenge would: it waits for its client.
-- Without (false), it goes to makechallenge.
-- Returns {'ok'}; {'refused', 'account'}: not valid; {'refused', 'unknown certificate' or 'other names' or 'replaced'}
-- (RFC 9773 5); {'refused', 'limited', ...} (limits.lua); {'refused', 'open'}; {'refused', 'no names'}. All is checked
-- before anything is written or spent; a second one of the same session changes nothing.

local SAMPLE = 4

local function has_common_name(names, listed)
  local wanted = {}
  for _, name in ipairs(names) do wanted[name] = true end
  for name in string.gmatch(listed, '[^,]+') do
    if wanted[name] then return true end
  end
  return false
end

-- nil, or the refusal where this certificate cannot be replaced by an order of this account for these names.
-- A replacement that was rejected can be tried again; one that retired is known by the certificate it left.
local function cannot_replace(serial, account, names)
  local found = call('HMGET', PREFIX .. 'certificate:' .. serial, 'account', 'names', 'replaced', 'successor')
  if found[1] ~= account then return {'refused', 'unknown certificate'} end
  if not has_common_name(names, found[2] or '') then return {'refused', 'other names'} end
  if found[4] then return {'refused', 'replaced'} end
  if not found[3] then return nil end
  local other = call('HMGET', PREFIX .. found[3], 'live', 'state')
  if other[1] == 'True' or other[2] == 'done' then return {'refused', 'replaced'} end
  return nil
end

-- Whether the account has `most` orders or more that live and have no certificate, among twice as many of its newest:
-- a client that finishes most of its orders does not pay for all that it ever made.
local function has_open(orders, most)
  local open = 0
  for _, session in ipairs(call('ZREVRANGE', orders, 0, 2 * most - 1)) do
    local found = pcall_redis('HMGET', PREFIX .. session, 'live', 'state')
    if found[1] == 'True' and found[2] ~= 'done' then open = open + 1 end
    if open >= most then return true end
  end
  return false
end

-- Of the account's orders a few are looked at, whichever they are, and dropped where their session is gone: so there
-- are never many more of those than of the others, and no order has to pay for all.
local function drop_gone(orders)
  local gone = {}
  for _, session in ipairs(call('ZRANDMEMBER', orders, SAMPLE)) do
    if call('EXISTS', PREFIX .. session) == 0 then gone[#gone + 1] = session end
  end
  if #gone > 0 then call('ZREM', orders, unpack(gone)) end
end

MOVES.order = function(op)
  local session, names, account, replaces = op[2], op[4], op[5], op[6]
  if call('EXISTS', PREFIX .. session) == 1 then return OK end
  if #names == 0 then return {'refused', 'no names'} end
  if call('HGET', account_key(account), 'status') ~= 'valid' then return {'refused', 'account'} end
  local refused = replaces ~= '' and cannot_replace(replaces, account, names) or refused_by(op[7])
  if refused then return refused end
  if op[8] > 0 and has_open(orders_key(account), op[8]) then return {'refused', 'open'} end
  spend(op[7])
  enter(session, op[3], names, op[9], op[10])
  drop_gone(orders_key(account))
  call('ZADD', orders_key(account), NOW, session)
  if replaces ~= '' then call('HSET', PREFIX .. 'certificate:' .. replaces, 'replaced', session) end
  return OK
end

-- renew_by: the operator's renewal window of a certificate on record (RFC 9773 4.2).
-- op: {'renew_by', serial (hex), start (seconds), end (seconds)}: '0' and '0' for none.
-- Returns {'ok'} or {'refused', 'unknown'}.
MOVES.renew_by = function(op)
  local key = PREFIX .. 'certificate:' .. op[2]
  if not call('HGET', key, 'serial') then return {'refused', 'unknown'} end
  if op[3] == '0' and op[4] == '0' then
    call('HDEL', key, 'renew_start', 'renew_end')
  else
    call('HSET', key, 'renew_start', op[3], 'renew_end', op[4])
  end
  return OK
end
