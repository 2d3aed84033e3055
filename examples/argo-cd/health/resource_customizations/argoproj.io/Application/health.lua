-- The health of an Application in an app-of-apps is that of its objects. Argo CD has no such check by default, and a sync
-- wave would not wait for the Application.
local status = obj.status or {}
local health, sync, operation = status.health or {}, status.sync or {}, status.operationState or {}
-- Objects that do not exist yet do not count in the health of an Application, so it is Healthy with some of them.
if obj.operation ~= nil or operation.phase == "Running" then
  return {status = "Progressing", message = operation.message or "It is about to be synchronised"}
end
-- After a failed synchronisation, the objects are as they were before, and can be healthy.
if (operation.phase == "Failed" or operation.phase == "Error") and sync.status ~= "Synced" then
  return {status = "Degraded", message = operation.message or ""}
end
-- That is the state for a moment between the end of a synchronisation and the next refresh.
if health.status == "Missing" then
  return {status = "Progressing", message = "Its objects do not exist yet"}
end
return {status = health.status or "Progressing", message = health.message or ""}
