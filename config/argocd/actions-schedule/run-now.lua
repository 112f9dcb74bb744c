-- Each script of this folder begins with these lines: Argo CD's server runs an action also where it is disabled.
local isDeleted, isPaused = obj.metadata.deletionTimestamp ~= nil, obj.spec.suspend == true
local isOn = obj.status ~= nil and obj.status.active ~= nil and next(obj.status.active) ~= nil

local disabled = {
  ["suspend"] = isDeleted or isPaused,
  ["resume"] = isDeleted or not isPaused,
  ["run-now"] = isDeleted or isOn,
}

-- Creates a run from the template, as `kubectl agentdisconnect schedule trigger` does. It has no start deadline, since Argo
-- CD's Lua can't read a duration: it begins within an hour, or not at all.
if disabled["run-now"] then
  error("Not run: a run of the schedule is on, or the schedule is being deleted", 0)
end

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

-- A second click gets the same name, until the schedule has seen the run, which then stands in the way.
local run = {
  apiVersion = obj.apiVersion,
  kind = "AgentDisconnect",
  metadata = {
    name = obj.metadata.name .. "-manual-" .. obj.metadata.resourceVersion,
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
