-- look: what recovery needs of one session.
-- KEYS: 1 the session. ARGV: its id.
-- Returns msgpack of found.lua.

--@include found.lua

return cmsgpack.pack((found(ARGV[1], KEYS[1])))
