-- Many small tables, strings and closures, some kept, most dropped; prints what came of it.
local kept, sum = {}, 0
for round = 1, 12 do
  local list = {}
  for i = 1, 25000 do
    local name = "entry " .. (i * 7919 % 5003)
    list[i] = { name = name, n = i, get = function() return i + round end }
  end
  table.sort(list, function(a, b)
    if a.name == b.name then return a.n < b.n end
    return a.name < b.name
  end)
  for i = 1, #list, 97 do sum = sum + list[i].get() end
  kept[round] = table.concat({ list[1].name, list[#list].name, #list }, ",")
end
print(sum, table.concat(kept, ";"))
