-- The actions of an AgentDisconnectSchedule, each enabled while it makes sense.
local isDeleted, isPaused = obj.metadata.deletionTimestamp ~= nil, obj.spec.suspend == true
local isOn = obj.status ~= nil and obj.status.active ~= nil and next(obj.status.active) ~= nil

return {
  ["suspend"] = { disabled = isDeleted or isPaused, iconClass = "fa fa-fw fa-pause", displayName = "Suspend" },
  ["resume"] = { disabled = isDeleted or not isPaused, iconClass = "fa fa-fw fa-play", displayName = "Resume" },
  ["run-now"] = { disabled = isDeleted or isOn, iconClass = "fa fa-fw fa-plus", displayName = "Run now" },
}
