-- An Application of an app-of-apps fares as its own objects do. Argo CD leaves this out by default, and a sync wave
-- then would not wait for it.
local status = obj.status or {}
local health, sync, operation = status.health or {}, status.sync or {}, status.operationState or {}
-- An object that is not there yet counts for nothing in the health of its Application: half of them may do well.
if obj.operation ~= nil or operation.phase == "Running" then
  return {status = "Progressing", message = operation.message or "It is about to be synchronised"}
end
-- A synchronisation that failed leaves the objects as they were, and these may do well.
if (operation.phase == "Failed" or operation.phase == "Error") and sync.status ~= "Synced" then
  return {status = "Degraded", message = operation.message or ""}
end
-- So it stands for a moment between the end of a synchronisation and the next look; whoever waits would not wait for it.
if health.status == "Missing" then
  return {status = "Progressing", message = "Its objects were not there yet"}
end
return {status = health.status or "Progressing", message = health.message or ""}
