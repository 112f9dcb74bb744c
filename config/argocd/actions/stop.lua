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

-- Ends the run: by a duration that is past, and before its start by a deadline that is. The object stays, so that no tool
-- creates it, and runs it, again.
if disabled["stop"] then
  error("Not stopped: the run is over or about to end, is a plan, or is being deleted", 0)
end
local os = require("os")

if spec.duration ~= "1m" then
  -- For run-again, and only while the object asks for the same run.
  metadata.annotations = metadata.annotations or {}
  metadata.annotations["chaos.agentdisconnect.dev/duration-before-stop"] = spec.duration
  metadata.annotations["chaos.agentdisconnect.dev/stopped-run-id"] = spec.runID or ""
end
spec.duration = "1m"
if status.startTime == nil or isNewRun then -- a new run waits until the one that is on is over
  spec.startAfter = nil
  spec.startDeadline = os.date("!%Y-%m-%dT%H:%M:%SZ")
end
return obj
