-- crlnumber: the next CRL number, higher than any before and than the one in the file.
-- KEYS: 1 crl-number. ARGV: the number of the last file.
-- Returns the number as text.

local number = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), tonumber(ARGV[1])) + 1
redis.call('SET', KEYS[1], string.format('%.0f', number))
return string.format('%.0f', number)
