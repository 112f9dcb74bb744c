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

-- Lifts the rules, or keeps a run from beginning. Its end does not move.
if disabled["suspend"] then
  error("Not suspended: the run is suspended already, is over or about to end, is a plan, or is being deleted", 0)
end
obj.spec.suspend = true
return obj
