/**
 * The Lua scripts. Each handles many keys per call and is atomic for every reader: the scripts enforce the two laws of a
 * projection. They compare versions as doubles, which are exact up to 2^53.
 */

/** Fields of a change in the arguments of `PUBLISH` and `REPLACE`. */
export const CHANGE_ARGUMENTS = 9;

/** The layout of entries that this program writes. An entry without the field `format` has it too. */
export const ENTRY_FORMAT = "1";

/** A number names a layout. Anything else in the field is damage. */
const FORMAT_FUNCTIONS = `
local function is_other_format(format)
  return format and format ~= '${ENTRY_FORMAT}' and string.find(format, '^[1-9]%d*$') ~= nil
end
`;

/** Functions shared by both writing scripts. */
const WRITE_FUNCTIONS = `${FORMAT_FUNCTIONS}
local tombstone_ttl = ARGV[1]

-- A full or read-only Redis refuses the first write of a script, but never DEL. HSET must therefore come before DEL:
-- otherwise the refusal would come after the deletion, and the old entry would be lost.
local probed = false

local function put(key, at)
  if not probed then
    redis.call('HSET', key, 'version', ARGV[at + 1])
    probed = true
  end
  redis.call('DEL', key)
  if ARGV[at + 7] == '' then
    redis.call('HSET', key, 'version', ARGV[at + 1], 'checksum', ARGV[at + 2], 'digest', ARGV[at + 3],
      'modified_at', ARGV[at + 4], 'vector', ARGV[at + 5], 'data', ARGV[at + 6])
  else
    redis.call('HSET', key, 'version', ARGV[at + 1], 'checksum', ARGV[at + 2], 'digest', ARGV[at + 3],
      'modified_at', ARGV[at + 4], 'vector', ARGV[at + 5], 'data', ARGV[at + 6], 'embedding', ARGV[at + 7])
  end
  if ARGV[at + 8] ~= '' then redis.call('PEXPIREAT', key, ARGV[at + 8]) end
end

-- Writes a tombstone. It frees memory, so a full Redis may accept it where it refuses a put.
local function bury(key, at)
  redis.call('DEL', key)
  redis.call('HSET', key, 'version', ARGV[at + 1], 'deleted', '1', 'modified_at', ARGV[at + 4])
  redis.call('PEXPIRE', key, tombstone_ttl)
  probed = true
end

local function write(key, at)
  if ARGV[at] == 'tombstone' then bury(key, at) else put(key, at) end
end
`;

/**
 * KEYS: one per change, and the owner key where there is an epoch. ARGV: tombstone TTL (ms), epoch (empty: not compared), then per change `kind version checksum digest modified_at vector data
 * embedding expires_at`, the last two empty when absent. Returns 1 (applied) or 0 (stale) per change; a string is the epoch
 * that the owner key names instead: then nothing was changed.
 *
 * An entry of another layout is no copy that this program can read, so the same version is written over it, unlike over an
 * entry of the own layout. A newer version is kept. Without a readable version the entry counts as missing.
 */
export const PUBLISH = `${WRITE_FUNCTIONS}
local answers = {}
local count = #KEYS
if ARGV[2] ~= '' then
  local epoch = redis.call('HGET', KEYS[count], 'epoch')
  if epoch and epoch ~= ARGV[2] then return epoch end
  count = count - 1
end
for index = 1, count do
  local key = KEYS[index]
  local at = 3 + (index - 1) * ${CHANGE_ARGUMENTS}
  local held = redis.pcall('HMGET', key, 'version', 'format', 'checksum', 'modified_at')
  if held.err then
    -- WRONGTYPE: the key holds another type than a hash. Any other error is the server's refusal.
    if not string.find(held.err, 'WRONGTYPE', 1, true) then return held end
    redis.call('DEL', key)
    held = { false, false, false, false }
  end
  local held_version = held[1] and tonumber(held[1])
  local version = tonumber(ARGV[at + 1])
  local is_held
  if is_other_format(held[2]) then
    is_held = held_version and string.find(held[1], '^%d+$') and held_version > version
  else
    is_held = held_version and held_version >= version
    -- The same content at another time: the ledger went back and gave the version out again. The entry is of the lost history.
    if is_held and held_version == version and held[3] == ARGV[at + 2] and held[4] ~= ARGV[at + 4] then
      is_held = false
    end
  end
  if is_held then
    answers[index] = 0
  else
    write(key, at)
    answers[index] = 1
  end
end
return answers
`;

/**
 * PUBLISH with `found_state found_version found_checksum` before each change; kind `remove` removes the key. The script
 * applies a change only if the key is still as found (\`none\`, \`live\`, \`tombstone\`, \`malformed\`, or \`other\`: an entry
 * of another layout).
 */
export const REPLACE = `${WRITE_FUNCTIONS}
local answers = {}
for index, key in ipairs(KEYS) do
  local at = 2 + (index - 1) * ${CHANGE_ARGUMENTS + 3}
  local state, version, checksum = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local held = redis.pcall('HMGET', key, 'version', 'checksum', 'deleted', 'format')
  local found
  if held.err then
    if not string.find(held.err, 'WRONGTYPE', 1, true) then return held end
    found = state == 'malformed'
  elseif state == 'none' then
    found = redis.call('EXISTS', key) == 0
  elseif state == 'other' or is_other_format(held[4]) then
    found = state == 'other' and is_other_format(held[4])
  elseif state == 'live' then
    found = held[1] == version and held[2] == checksum and not held[3]
  elseif state == 'tombstone' then
    found = held[1] == version and held[3] and true
  else
    found = redis.call('EXISTS', key) == 1
  end
  if not found then
    answers[index] = 0
  else
    local change = at + 3
    if held.err then redis.call('DEL', key) end
    if ARGV[change] == 'remove' then redis.call('DEL', key) else write(key, change) end
    answers[index] = 1
  end
end
return answers
`;

/**
 * KEYS: any number. ARGV: \`1\` to read the data too. Returns per key nothing, or \`version checksum deleted modified_at
 * format\`, then \`data embedding vector digest\`; a single string is the reason why the key is malformed.
 */
export const READ = `
local answers = {}
for index, key in ipairs(KEYS) do
  local held
  if ARGV[1] == '1' then
    held = redis.pcall('HMGET', key, 'version', 'checksum', 'deleted', 'modified_at', 'format', 'data', 'embedding', 'vector', 'digest')
  else
    held = redis.pcall('HMGET', key, 'version', 'checksum', 'deleted', 'modified_at', 'format')
  end
  if held.err then
    if not string.find(held.err, 'WRONGTYPE', 1, true) then return held end
    answers[index] = 'a ' .. redis.call('TYPE', key).ok .. ' stands where a hash belongs'
  elseif not held[1] and redis.call('EXISTS', key) == 0 then
    answers[index] = false
  else
    answers[index] = held
  end
end
return answers
`;

/** ARGV: per key its digest and its time. Returns per key 1 where it still holds that live entry, of this layout, and 0 otherwise. */
export const UNCHANGED = `
local answers = {}
for index, key in ipairs(KEYS) do
  local held = redis.pcall('HMGET', key, 'digest', 'modified_at', 'deleted', 'format')
  answers[index] = 0
  if held.err then
    if not string.find(held.err, 'WRONGTYPE', 1, true) then return held end
  elseif held[1] == ARGV[2 * index - 1] and held[2] == ARGV[2 * index] and not held[3]
    and (not held[4] or held[4] == '${ENTRY_FORMAT}') then
    answers[index] = 1
  end
end
return answers
`;

/**
 * ARGV: cursor, pattern, count. Returns the next cursor, the keys of one SCAN page, and per key what READ returns
 * without data. One call per page, because fetching the fields of each key from the client takes five times as long.
 */
export const SCAN = `
local page = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', ARGV[3])
local answers = {}
for index, key in ipairs(page[2]) do
  local held = redis.pcall('HMGET', key, 'version', 'checksum', 'deleted', 'modified_at', 'format')
  if held.err then
    if not string.find(held.err, 'WRONGTYPE', 1, true) then return held end
    answers[index] = 'a ' .. redis.call('TYPE', key).ok .. ' stands where a hash belongs'
  else
    answers[index] = held
  end
end
return { page[1], page[2], answers }
`;

/** ARGV: cursor, pattern, count. Returns the next cursor and the keys of one SCAN page as one NUL-terminated list. */
export const KEYS = `
local page = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', ARGV[3])
page[2][#page[2] + 1] = ''
return { page[1], table.concat(page[2], '\\0') }
`;

/** ARGV: cursor, pattern, count. Returns the next cursor and how many of the page's keys are live entries. */
export const COUNT = `${FORMAT_FUNCTIONS}
local page = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', ARGV[3], 'TYPE', 'hash')
local live = 0
for _, key in ipairs(page[2]) do
  local held = redis.call('HMGET', key, 'deleted', 'format')
  if not held[1] and not is_other_format(held[2]) then live = live + 1 end
end
return { page[1], live }
`;

/**
 * ARGV: cursor, pattern, count. Returns the next cursor, the live entries of one SCAN page as one string, each as \`key NUL
 * version NUL checksum NUL\`, the malformed keys, and the number of entries. It leaves out entries of another layout. One value per
 * page costs the client a tenth of one value per entry.
 *
 * The client looks at what it unpacks: checks of each version and each NUL cost the server a sixth of its time here.
 */
export const DIGEST = `${FORMAT_FUNCTIONS}
local page = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', ARGV[3])
local parts, malformed = {}, {}
local last = 0
for _, key in ipairs(page[2]) do
  local held = redis.pcall('HMGET', key, 'version', 'checksum', 'deleted', 'format')
  if held[1] and held[2] and not held[3] and (not held[4] or held[4] == '${ENTRY_FORMAT}') then
    parts[last + 1] = key
    parts[last + 2] = held[1]
    last = last + 3
    parts[last] = held[2]
  elseif held.err then
    if not string.find(held.err, 'WRONGTYPE', 1, true) then return held end
    malformed[#malformed + 1] = key
  elseif is_other_format(held[4]) then
    -- Not an entry of this program: it counts as absent.
  elseif not held[3] or (held[4] and held[4] ~= '${ENTRY_FORMAT}') then
    malformed[#malformed + 1] = key
  end
end
local count = last / 3
parts[last + 1] = ''
return { page[1], table.concat(parts, '\\0'), malformed, count }
`;

/** KEYS: any number. Returns each in Redis's own serialization (of RESTORE). */
export const DUMP = `
local answers = {}
for index, key in ipairs(KEYS) do answers[index] = redis.call('DUMP', key) end
return answers
`;

/** KEYS: a probe key. ARGV: token, TTL (ms). Makes the same kinds of writes as PUBLISH, under a key that no reader uses. */
export const PREPARE = `
redis.call('HSET', KEYS[1], 'token', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('HGET', KEYS[1], 'token')
`;

/** KEYS: the owner key. Returns `ledger epoch mark`; a missing field is nil. */
export const STANDING = `
return redis.call('HMGET', KEYS[1], 'ledger', 'epoch', 'mark')
`;

/**
 * KEYS: the owner key. ARGV: the expected ledger and epoch (empty: none), then the new ledger, epoch and mark. Returns 1,
 * or 0 when the key names another owner.
 */
export const BRAND = `
local held = redis.call('HMGET', KEYS[1], 'ledger', 'epoch')
if (held[1] or '') ~= ARGV[1] or (held[2] or '') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'ledger', ARGV[3], 'epoch', ARGV[4], 'mark', ARGV[5])
return 1
`;
