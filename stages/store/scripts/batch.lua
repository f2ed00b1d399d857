-- batch: what many requests of the front door want to read, in one step.
-- KEYS: 1 reads. ARGV: prefix, msgpack {{account or '', session or '', serial or '', thumbprint or ''} ...}, whether
-- the caller waits for the disk with WAITAOF (0/1): that counts writes of its own connection only, so there is one.
-- Returns msgpack: for each {account's id, hash, session's hash, names, challenges, certificate's hash, delivery} with hashes as flat arrays,
-- empty for what is not there or not asked for. A thumbprint stands for the account that has that key. What is not of
-- the type that the schema says is false; challenges are then empty.

local call, pcall_redis = redis.call, redis.pcall
local PREFIX = ARGV[1]
local MOST_CHALLENGES = 10000

local function read(...)
  local found = pcall_redis(...)
  if type(found) == 'table' and found.err then return false end
  return found
end

local function read_session(session)
  local key = PREFIX .. session
  local hash = read('HGETALL', key)
  if not hash or #hash == 0 then return hash, {}, {} end
  local names, challenges, count = read('LRANGE', key .. ':names', 0, -1), {}, 0
  for i = 1, #hash, 2 do
    if hash[i] == 'challenges' then count = tonumber(hash[i + 1]) or 0 end
  end
  for n = 1, math.min(count, MOST_CHALLENGES) do challenges[n] = read('HGETALL', key .. ':' .. n) end
  return hash, names, challenges
end

local answers = {}
for i, wanted in ipairs(cmsgpack.unpack(ARGV[2])) do
  local account, session, serial, thumbprint = wanted[1], wanted[2], wanted[3], wanted[4]
  local hash, record, names, challenges, certificate, delivery = {}, {}, {}, {}, {}, ''
  if thumbprint ~= '' then account = read('GET', PREFIX .. 'account-key:' .. thumbprint) or '' end
  if account ~= '' then hash = read('HGETALL', PREFIX .. 'account:' .. account) end
  if session ~= '' then record, names, challenges = read_session(session) end
  if serial ~= '' then
    certificate = read('HGETALL', PREFIX .. 'certificate:' .. serial)
    for n = 1, certificate and #certificate or 0, 2 do
      if certificate[n] == 'session' then delivery = read('HGET', PREFIX .. certificate[n + 1], 'delivery') or '' end
    end
  end
  answers[i] = {account, hash, record, names, challenges, certificate, delivery}
end
if ARGV[3] == '1' then call('SET', KEYS[1], #answers) end
return cmsgpack.pack(answers)
