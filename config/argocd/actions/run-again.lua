-- Creates a run like this one, which begins now and belongs to this one. A new runID of this object would not do: it is in
-- git, so a sync would set the old one back, and with that ask for a further run.
local os = require("os")

local spec = {}
for field, value in pairs(obj.spec) do
  spec[field] = value
end
spec.startAfter, spec.startDeadline, spec.suspend = nil, nil, nil
spec.runID = os.date("!%y%m%d%H%M%S")
if spec.callers ~= nil and next(spec.callers) == nil then
  spec.callers = { recoverWithin = "10m" } -- what an empty value means: Argo CD would take an empty table for a list
end
local before = (obj.metadata.annotations or {})["chaos.agentdisconnect.dev/duration-before-stop"]
if spec.duration == "1m" and before ~= nil then
  spec.duration = before
end

-- A name to the minute, so that a second click does not run it twice.
local run = {
  apiVersion = obj.apiVersion,
  kind = obj.kind,
  metadata = {
    name = obj.metadata.name .. "-again-" .. os.date("!%y%m%d%H%M"),
    namespace = obj.metadata.namespace,
    ownerReferences = {
      { apiVersion = obj.apiVersion, kind = obj.kind, name = obj.metadata.name, uid = obj.metadata.uid, controller = true },
    },
  },
  spec = spec,
}
return { { operation = "create", resource = run } }
