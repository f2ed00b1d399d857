-- limits: rate limits by the generic cell rate algorithm: `count` in any `per` seconds, at once or spread.
-- A limit is {which, who, count, per (seconds)}. Its key holds the time at which all that was used is given back, and
-- goes by itself then. First all are looked at (`refused_by`), then all are spent (`spend`): a refusal spends nothing.

local MOMENT = 0.001 -- doubles keep the time to less than a microsecond; sums of them are not exact

local function rate_key(limit) return PREFIX .. 'rate:' .. limit[1] .. ':' .. limit[2] end

local function used_until(limit)
  local used = tonumber(call('GET', rate_key(limit)) or '') or EXACTLY
  -- After the clock was set back, no wait is longer than the limit itself.
  return math.min(math.max(used, EXACTLY), EXACTLY + limit[4])
end

-- nil, or {'refused', 'limited', which, whole seconds until it can succeed} of the limit that takes longest.
local function refused_by(limits)
  local longest, which = MOMENT, nil
  for _, limit in ipairs(limits) do
    local wait = used_until(limit) + limit[4] / limit[3] - limit[4] - EXACTLY
    if wait > longest then longest, which = wait, limit[1] end
  end
  return which and {'refused', 'limited', which, math.ceil(longest - MOMENT)}
end

local function spend(limits)
  for _, limit in ipairs(limits) do
    local used = used_until(limit) + limit[4] / limit[3]
    call('SET', rate_key(limit), string.format('%.6f', used), 'PX', math.ceil((used - EXACTLY) * 1000))
  end
end
