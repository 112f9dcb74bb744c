-- Creates a run from the template, as `kubectl agentdisconnect schedule trigger` does. It has no start deadline, since Argo
-- CD's Lua can't add times in UTC: it begins within an hour, or not at all.
local os = require("os")

local function copy(from)
  local made = {}
  for key, value in pairs(from or {}) do
    made[key] = value
  end
  return made
end

local spec = copy(obj.spec.template.spec)
spec.suspend = nil
if spec.callers ~= nil and next(spec.callers) == nil then
  spec.callers = { recoverWithin = "10m" } -- what an empty value means: Argo CD would take an empty table for a list
end

local given = obj.spec.template.metadata or {}
local labels, annotations = copy(given.labels), copy(given.annotations)
labels["chaos.agentdisconnect.dev/schedule"] = obj.metadata.name
annotations["chaos.agentdisconnect.dev/schedule-time"] = nil
if next(annotations) == nil then
  annotations = nil
end

-- A name to the minute, so that a second click does not run it twice.
local run = {
  apiVersion = obj.apiVersion,
  kind = "AgentDisconnect",
  metadata = {
    name = obj.metadata.name .. "-manual-" .. os.date("!%y%m%d%H%M"),
    namespace = obj.metadata.namespace,
    labels = labels,
    annotations = annotations,
    ownerReferences = {
      { apiVersion = obj.apiVersion, kind = obj.kind, name = obj.metadata.name, uid = obj.metadata.uid, controller = true },
    },
  },
  spec = spec,
}
return { { operation = "create", resource = run } }
