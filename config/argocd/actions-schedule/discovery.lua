-- Each script of this folder begins with these lines: Argo CD's server runs an action also where it is disabled.
local isDeleted, isPaused = obj.metadata.deletionTimestamp ~= nil, obj.spec.suspend == true
local isOn = obj.status ~= nil and obj.status.active ~= nil and next(obj.status.active) ~= nil

local disabled = {
  ["suspend"] = isDeleted or isPaused,
  ["resume"] = isDeleted or not isPaused,
  ["run-now"] = isDeleted or isOn,
}

return {
  ["suspend"] = { disabled = disabled["suspend"], iconClass = "fa fa-fw fa-pause", displayName = "Suspend" },
  ["resume"] = { disabled = disabled["resume"], iconClass = "fa fa-fw fa-play", displayName = "Resume" },
  ["run-now"] = { disabled = disabled["run-now"], iconClass = "fa fa-fw fa-plus", displayName = "Run now" },
}
