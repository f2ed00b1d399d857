-- mark: says that the store was restored, and from which backup. KEYS: 1 restored. ARGV: the mark, as JSON.

redis.call('SET', KEYS[1], ARGV[1])
return 1
