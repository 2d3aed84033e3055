-- The health of an object of svix-operator, by the conditions of kstatus: Stalled waits for a change by a person,
-- Reconciling needs none, and Ready means that Svix has what is declared. An object that is suspended on purpose is
-- Healthy; if it were Suspended, a synchronisation in waves would never end (argoproj/argo-cd#24428).
local function health(status, message)
  return {status = status, message = message}
end

local status = obj.status or {}
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end
local ready, stalled = conditions.Ready, conditions.Stalled

local function message_of(condition, otherwise)
  if condition == nil then
    return otherwise
  end
  return condition.reason .. ": " .. (condition.message or "")
end

if obj.metadata.deletionTimestamp ~= nil then
  return health("Progressing", message_of(ready, "It is being deleted"))
end
-- The status of an older spec is not that of the present one.
if ready == nil or status.observedGeneration ~= obj.metadata.generation then
  return health("Progressing", "Waiting for svix-operator to reconcile it")
end
if stalled ~= nil and stalled.status == "True" then
  return health("Degraded", message_of(stalled))
end
if ready.status == "True" then
  return health("Healthy", message_of(ready))
end
return health("Progressing", message_of(ready))
