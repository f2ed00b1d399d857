-- Shared by the scripts that move sessions: names of the keys, and the few steps that every move is made of.
-- KEYS: as `stages.store.keys.Keys.group` makes them. A session's own keys are derived from the prefix.

local call, pcall_redis = redis.call, redis.pcall
local LEASE, INFLIGHT, ACTIVE = KEYS[1], KEYS[2], KEYS[3]
local PENDING = {KEYS[4], KEYS[5], KEYS[6], KEYS[7]}
local DELAYED = {KEYS[8], KEYS[9], KEYS[10], KEYS[11]}
local QUARANTINE, CERTIFICATES, REVOKED, FINISHED, GROUPS = KEYS[12], KEYS[13], KEYS[14], KEYS[15], KEYS[16]
local QUEUE = {makechallenge = 1, testchallenge = 2, issue = 3, done = 4}
local STORY_LIMIT = 6000

local function names_key(session_key) return session_key .. ':names' end
local function challenge_key(session_key, n) return session_key .. ':' .. n end

-- The story grows by a line for each move; when it is too long its middle goes, its beginning and end stay.
local function story_with(story, now, line)
  local entry = now .. ' ' .. line .. '\n'
  if not story then return entry end
  if #story + #entry > STORY_LIMIT then
    story = string.match(string.sub(story, 1, STORY_LIMIT / 4), '^(.*\n)') .. '...\n'
         .. string.match(string.sub(story, -STORY_LIMIT / 2), '^[^\n]*\n(.*)$')
  end
  return story .. entry
end

-- Pushes are gathered and made with one command for each list: fewer words in the append-only file.
local pushes = {{}, {}, {}, {}}
local function push(queue, session) local list = pushes[queue]; list[#list + 1] = session end
local function flush_pushes()
  for queue = 1, 4 do
    if #pushes[queue] > 0 then call('LPUSH', PENDING[queue], unpack(pushes[queue])); pushes[queue] = {} end
  end
end

-- A dead session can be looked at for `keep` seconds more, then it goes by itself. `challenges` is their number as read.
local function expire_session(session_key, keep, challenges)
  call('EXPIRE', session_key, keep)
  call('EXPIRE', names_key(session_key), keep)
  for n = 1, tonumber(challenges or '0') or 0 do call('EXPIRE', challenge_key(session_key, n), keep) end
end

-- Finished sessions are counted for a whole group at once.
local finished = {retired = 0, rejected = 0}
local function flush_finished()
  for word, count in pairs(finished) do
    if count > 0 then call('HINCRBY', FINISHED, word, count) end
  end
end

-- What cannot be read is set aside: in `quarantine` once, and no more in active-requests, which recovery goes by.
local function set_aside(session)
  call('LREM', ACTIVE, 0, session)
  call('LREM', QUARANTINE, 0, session)
  call('LPUSH', QUARANTINE, session)
end

local function write_challenges(session_key, challenges)
  for _, challenge in ipairs(challenges) do
    call('HSET', challenge_key(session_key, challenge[1]), unpack(challenge[2]))
  end
end
