-- Each script of this folder begins with these lines: Argo CD's server runs an action also where it is disabled.
local isDeleted, isPaused = obj.metadata.deletionTimestamp ~= nil, obj.spec.suspend == true
local isOn = obj.status ~= nil and obj.status.active ~= nil and next(obj.status.active) ~= nil

local disabled = {
  ["suspend"] = isDeleted or isPaused,
  ["resume"] = isDeleted or not isPaused,
  ["run-now"] = isDeleted or isOn,
}

-- Keeps new runs from beginning. A run that is on goes on.
if disabled["suspend"] then
  error("Not suspended: the schedule is suspended already, or is being deleted", 0)
end
obj.spec.suspend = true
return obj
