-- How an object of svix-operator fares. Its conditions are those that kstatus knows: Stalled waits for a person,
-- Reconciling goes on by itself, and Ready says whether Svix holds what is declared. What is suspended on purpose is
-- Ready; as Suspended, it would hold up a synchronisation in waves for ever (argoproj/argo-cd#24428).
local function answer(status, message)
  return {status = status, message = message}
end

local status = obj.status or {}
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end
local ready, stalled = conditions.Ready, conditions.Stalled

local function told(condition, otherwise)
  if condition == nil then
    return otherwise
  end
  return condition.reason .. ": " .. (condition.message or "")
end

if obj.metadata.deletionTimestamp ~= nil then
  return answer("Progressing", told(ready, "It is being deleted"))
end
-- What is said of an older spec says nothing of this one.
if ready == nil or status.observedGeneration ~= obj.metadata.generation then
  return answer("Progressing", "Waiting for svix-operator to look at it")
end
if stalled ~= nil and stalled.status == "True" then
  return answer("Degraded", told(stalled))
end
if ready.status == "True" then
  return answer("Healthy", told(ready))
end
return answer("Progressing", told(ready))
