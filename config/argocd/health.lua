-- The health of an AgentDisconnect. A run that waits, blocks or is planned is healthy: a sync that waits for health never
-- waits for hours.
local health = { status = "Progressing", message = "The controller has not processed the object yet" }

if obj.metadata.deletionTimestamp ~= nil then
  health.message = "The rules are being removed before the object goes"
  return health
end
if obj.status == nil or obj.status.conditions == nil then
  return health
end
if obj.status.observedGeneration ~= obj.metadata.generation then
  health.message = "The controller has not processed the last change yet"
  return health
end

local found = {}
for _, condition in ipairs(obj.status.conditions) do
  found[condition.type] = condition
end
local succeeded, stalled, reconciling = found.Succeeded, found.Stalled, found.Reconciling

if stalled ~= nil and stalled.status == "True" then
  health.status = "Degraded"
  health.message = stalled.reason .. ": " .. stalled.message
  return health
end
if succeeded == nil then
  return health
end
health.message = succeeded.reason .. ": " .. succeeded.message
if reconciling ~= nil and reconciling.status == "True" then
  return health
end
if succeeded.status == "False" then
  health.status = "Degraded"
elseif succeeded.reason == "Suspended" then
  health.status = "Suspended"
else
  health.status = "Healthy"
end
return health
