-- How an object of svix-operator fares. Its conditions are those that kstatus knows: Stalled waits for a person,
-- Reconciling goes on by itself, and Ready says whether Svix holds what is declared.
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
if obj.spec ~= nil and obj.spec.suspend == true then
  return answer("Suspended", "spec.suspend is true: nothing is done in Svix")
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
