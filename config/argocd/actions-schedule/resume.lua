-- Each script of this folder begins with these lines: Argo CD's server runs an action also where it is disabled.
local isDeleted, isPaused = obj.metadata.deletionTimestamp ~= nil, obj.spec.suspend == true
local isOn = obj.status ~= nil and obj.status.active ~= nil and next(obj.status.active) ~= nil

local disabled = {
  ["suspend"] = isDeleted or isPaused,
  ["resume"] = isDeleted or not isPaused,
  ["run-now"] = isDeleted or isOn,
}

-- Has runs begin again, from the next time on.
if disabled["resume"] then
  error("Not resumed: the schedule is not suspended, or is being deleted", 0)
end
obj.spec.suspend = false
return obj
