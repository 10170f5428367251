-- Takes a weight from every rate and quota of a limit for one subject, or from none of them.
--
-- KEYS[1]  a hash with a field for each rate and quota
-- ARGV     the number of rates, then for each: its field, what the weight costs, and what the burst allows, both in whole
--          microseconds and nanoseconds. Then for each quota: its field, `day` or `month`, and how much there is; and at
--          the end the weight.
--
-- A rate is counted by GCRA: its field holds the moment at which all of the burst will be there again, in microseconds
-- and nanoseconds. That of a quota holds the number of a window and how much is used in it; days and months are counted
-- from January 1970. All numbers are whole and less than 2^53, so that they are exact.
--
-- Returns 1 or 0, the moment in microseconds, and then what the fields hold.

local time = redis.call('TIME')
local seconds = tonumber(time[1])
local now = seconds * 1000000 + tonumber(time[2])
local rates = tonumber(ARGV[1])
local quotas = (#ARGV - 2 - 5 * rates) / 3
local weight = tonumber(ARGV[#ARGV])

-- Where the arguments of a rate and of a quota begin.
local function of_rate(rate) return 5 * rate - 3 end
local function of_quota(quota) return 5 * rates + 3 * quota - 1 end

local fields = {}
for rate = 1, rates do
  fields[rate] = ARGV[of_rate(rate)]
end
for quota = 1, quotas do
  fields[rates + quota] = ARGV[of_quota(quota)]
end
local stored = redis.call('HMGET', KEYS[1], unpack(fields))

-- Two whole numbers that are written with a space between them.
local function pair(text)
  if not text then return nil end
  local first, second = string.match(text, '^(%d+) (%d+)$')
  return tonumber(first), tonumber(second)
end

-- The day on which a year begins.
local function new_year(year)
  return 365 * (year - 1970) + math.floor((year - 1969) / 4) - math.floor((year - 1901) / 100)
    + math.floor((year - 1601) / 400)
end

-- The day on which a month begins.
local function first_day(month)
  local year = 1970 + math.floor(month / 12)
  local day = new_year(year)
  local lengths = {31, new_year(year + 1) - day - 337, 31, 30, 31, 30, 31, 31, 30, 31, 30}
  for index = 1, month % 12 do
    day = day + lengths[index]
  end
  return day
end

-- The month of a day.
local function month_of(day)
  local month = math.floor(day / 30.436875)
  while first_day(month) > day do month = month - 1 end
  while first_day(month + 1) <= day do month = month + 1 end
  return month
end

local admitted = true
-- What the fields hold now and would hold then, and the moment at which all of that means nothing any more.
local before, after, last = {}, {}, now

for rate = 1, rates do
  local at, place = of_rate(rate), 2 * rate - 1
  local latest, latest_part = now + tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
  local whole, part = pair(stored[rate])
  if not whole or whole < now then
    whole, part = now, 0
  elseif whole > latest or (whole == latest and part > latest_part) then
    -- Only a clock that was set back makes it so late. It is put right in any case, or else it would stay so.
    whole, part = latest, latest_part
    redis.call('HSET', KEYS[1], fields[rate], string.format('%.0f %.0f', whole, part))
  end
  before[place], before[place + 1] = whole, part
  whole, part = whole + tonumber(ARGV[at + 1]), part + tonumber(ARGV[at + 2])
  if part >= 1000 then
    whole, part = whole + 1, part - 1000
  end
  after[place], after[place + 1] = whole, part
  if whole > latest or (whole == latest and part > latest_part) then admitted = false end
  last = math.max(last, whole + 1)
end

local today = math.floor(seconds / 86400)
for quota = 1, quotas do
  local at, place = of_quota(quota), 2 * (rates + quota) - 1
  local is_day = ARGV[at + 1] == 'day'
  local number, used = is_day and today or month_of(today), 0
  local known, known_used = pair(stored[rates + quota])
  -- The next window is that of a clock that was set back since, and goes on.
  if known == number or known == number + 1 then
    number, used = known, known_used
  end
  before[place], before[place + 1] = number, used
  after[place], after[place + 1] = number, used + weight
  if used + weight > tonumber(ARGV[at + 2]) then admitted = false end
  last = math.max(last, (is_day and number + 1 or first_day(number + 1)) * 86400000000)
end

if admitted then
  local written = {}
  for index, field in ipairs(fields) do
    written[2 * index - 1] = field
    written[2 * index] = string.format('%.0f %.0f', after[2 * index - 1], after[2 * index])
  end
  redis.call('HSET', KEYS[1], unpack(written))
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil((last - now) / 1000)))
end
local result = admitted and after or before
table.insert(result, 1, now)
table.insert(result, 1, admitted and 1 or 0)
return result
