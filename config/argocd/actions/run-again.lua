-- Each script of this folder begins with these lines: Argo CD's server runs an action also where it is disabled.
local spec, status, metadata = obj.spec, obj.status or {}, obj.metadata
local isDeleted, isPlan = metadata.deletionTimestamp ~= nil, spec.mode == "Plan"
local isPaused = spec.suspend == true

local state, isOver = nil, false
for _, condition in ipairs(status.conditions or {}) do
  if condition.type == "Succeeded" then
    state, isOver = condition.reason, condition.status ~= "Unknown"
  end
end
-- What was said of an earlier run, or before the last change, says nothing of the run that is asked for now.
local isNewRun = spec.runID ~= nil and spec.runID ~= status.runID
if status.observedGeneration ~= metadata.generation or not isPlan and isNewRun then
  state, isOver = nil, false
end
local isEnding = state == "Recovering" or state == "Verifying" or state == "Restoring" and not isPaused
local canEnd = not (isDeleted or isPlan or isOver or isEnding)
-- The runs of a schedule are deleted by its history: its own action runs it now.
local isScheduled = metadata.labels ~= nil and metadata.labels["chaos.agentdisconnect.dev/schedule"] ~= nil

local disabled = {
  ["suspend"] = not canEnd or isPaused,
  ["resume"] = not canEnd or not isPaused,
  ["stop"] = not canEnd,
  ["run-again"] = not isOver or isDeleted or isScheduled,
}

-- Creates a run like this one, which begins now and belongs to this one. A new runID of this object would not do: it is in
-- git, so a sync would set the old one back, and with that ask for a further run.
if disabled["run-again"] then
  error("Not run again: the run is not over, is being deleted, or belongs to a schedule, which can run now itself", 0)
end
local os = require("os")

local again = {}
for field, value in pairs(spec) do
  again[field] = value
end
again.startAfter, again.startDeadline, again.suspend = nil, nil, nil
again.runID = os.date("!%y%m%d%H%M%S")
if again.callers ~= nil and next(again.callers) == nil then
  again.callers = { recoverWithin = "10m" } -- what an empty value means: Argo CD would take an empty table for a list
end
local annotations = metadata.annotations or {}
if again.duration == "1m" and annotations["chaos.agentdisconnect.dev/stopped-run-id"] == (spec.runID or "") then
  again.duration = annotations["chaos.agentdisconnect.dev/duration-before-stop"]
end

-- The name is that of one spec, so that a second click does not run it twice.
local run = {
  apiVersion = obj.apiVersion,
  kind = obj.kind,
  metadata = {
    name = metadata.name .. "-again-" .. tostring(metadata.generation),
    namespace = metadata.namespace,
    ownerReferences = {
      { apiVersion = obj.apiVersion, kind = obj.kind, name = metadata.name, uid = metadata.uid, controller = true },
    },
  },
  spec = again,
}
return { { operation = "create", resource = run } }
