-- What a database holds, as pairs of a key and a text or digest of all that it is. Packed values and tables of one content
-- are the same here: elements without an order are sorted.
redis.replicate_commands()
redis.call('SELECT', ARGV[1])

local function shown(text)
  if #text <= 200 and not text:find('[^%w%p]') then return text end
  if #text <= 100 then
    return '0x' .. (text:gsub('.', function(byte) return string.format('%02x', byte:byte()) end))
  end
  return #text .. '-' .. redis.sha1hex(text)
end

local function pairs_of(list)
  local found = {}
  for index = 1, #list, 2 do found[#found + 1] = cmsgpack.pack({list[index], list[index + 1]}) end
  return found
end

local function sorted(list)
  table.sort(list)
  return cmsgpack.pack(list)
end

-- Consumers were last seen at other times after a look at them.
local function groups_of(key)
  local full = redis.call('XINFO', 'STREAM', key, 'FULL', 'COUNT', '1000')
  for index = 1, #full, 2 do
    if full[index] == 'groups' then
      for _, group in ipairs(full[index + 1]) do
        for field = 1, #group, 2 do
          if group[field] == 'consumers' then
            for _, consumer in ipairs(group[field + 1]) do consumer[4] = 0 end
          end
        end
      end
      return cmsgpack.pack(full[index + 1])
    end
  end
end

local readers = {
  string = function(key) return redis.call('GET', key) end,
  list = function(key) return cmsgpack.pack(redis.call('LRANGE', key, 0, -1)) end,
  set = function(key) return sorted(redis.call('SMEMBERS', key)) end,
  hash = function(key) return sorted(pairs_of(redis.call('HGETALL', key))) end,
  zset = function(key) return sorted(pairs_of(redis.call('ZRANGE', key, 0, -1, 'WITHSCORES'))) end,
  stream = function(key)
    local info = redis.call('XINFO', 'STREAM', key)
    local last
    for index = 1, #info, 2 do
      if info[index] == 'last-generated-id' then last = info[index + 1] end
    end
    return cmsgpack.pack(redis.call('XRANGE', key, '-', '+')) .. last .. groups_of(key)
  end,
}

local found = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local kind = redis.call('TYPE', key).ok
  found[#found + 1] = shown(key)
  found[#found + 1] = kind .. ' ' .. redis.call('PEXPIRETIME', key) .. ' ' .. shown(readers[kind](key))
end
return found
