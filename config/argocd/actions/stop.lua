-- Ends the run: by a duration that is past, and before its start by a deadline that is. The object stays, so that no tool
-- creates it, and runs it, again.
local os = require("os")

local before = "chaos.agentdisconnect.dev/duration-before-stop"
if obj.spec.duration ~= "1m" then
  obj.metadata.annotations = obj.metadata.annotations or {}
  obj.metadata.annotations[before] = obj.spec.duration -- for run-again
end
obj.spec.duration = "1m"
if obj.status == nil or obj.status.startTime == nil then
  obj.spec.startAfter = nil
  obj.spec.startDeadline = os.date("!%Y-%m-%dT%H:%M:%SZ")
end
return obj
