-- The health of an AgentDisconnectSchedule. A run of it that failed is unhealthy itself, and leaves the schedule healthy.
local health = { status = "Progressing", message = "The controller has not processed the object yet" }

if obj.metadata.deletionTimestamp ~= nil then
  health.message = "Its runs are deleted with it"
  return health
end
if obj.status == nil or obj.status.conditions == nil then
  return health
end
if obj.status.observedGeneration ~= obj.metadata.generation then
  health.message = "The controller has not processed the last change yet"
  return health
end

for _, condition in ipairs(obj.status.conditions) do
  if condition.type == "Ready" then
    health.message = condition.reason .. ": " .. condition.message
    if condition.status ~= "True" then
      health.status = "Degraded"
    elseif condition.reason == "Suspended" then
      health.status = "Suspended"
    else
      health.status = "Healthy"
    end
  end
end
return health
