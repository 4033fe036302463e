-- What every script with many arguments begins with: they are taken one after the other.
local cursor = 0
local function arg()
  cursor = cursor + 1
  return ARGV[cursor]
end
local function num()
  return tonumber(arg())
end

